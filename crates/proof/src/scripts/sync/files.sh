#!/bin/bash
# files.sh FUNCTION END ...: what the user of a volume does with its files, and sees of them.
set -euo pipefail
function=$1 end=$2; shift 2
cd "$PODS/volumes/$end"
own=.kubestead-sync

# numbered FOLDER COUNT
numbered() { mkdir "$1"; local i; for i in $(seq "$2"); do echo "$i" > "$1/$i"; done; }
# large FOLDER COUNT: a megabyte each, that nothing makes smaller
large() { mkdir "$1"; local i; for i in $(seq "$2"); do head -c 1000000 /dev/urandom > "$1/$i"; done; }
# remove FOLDER FROM TO
remove() { local i; for i in $(seq "$2" "$3"); do rm "$1/$i"; done; }
# text FILE TEXT
text() { mkdir -p "$(dirname "$1")"; echo "$2" > "$1"; }
# older FILE: an edit of long ago, by its time
older() { touch -d 2001-01-01 "$1"; }
# clear: all is deleted that a user sees
clear() { find . -mindepth 1 -path "./$own" -prune -o -print0 | xargs -0 rm -rf; }
# odd: names and links that programs trip over
odd() {
  mkdir odd
  (
    cd odd
    touch -- $'new\nline' 'ünï ☃' -dash --help '*' ' before' 'after ' 'quo"te' "it's" 'a\b' $'\x01' $'\xff\xfe' '$(id)' '-rf'
    ln -s /etc/shadow out
    ln -s ../../../../etc up
    ln -s nowhere dangling
    echo words > private; chmod 600 private
  )
}
# pipe: what is no file
pipe() { mkfifo pipe; }
# gone NAME: a file or a folder is deleted
gone() { rm -r "$1"; }
# there FILE
there() { [ -e "$1" ] || [ -L "$1" ]; }
# says FILE
says() { cat "$1"; }
# count: of files and folders
count() { find . -mindepth 1 -path "./$own" -prune -o -printf . | wc -c; }
# same END: what another volume has, names, contents, links and modes
same() {
  diff -r --no-dereference -x "$own" . "$PODS/volumes/$1" >&2
  diff <(modes) <(cd "$PODS/volumes/$1" && modes) >&2
}
modes() { find . -path "./$own" -prune -o ! -type l -printf '%m %P\0' | sort -z | tr '\0\n' '\n '; }
# kept TEXT: what lost is there
kept() { grep -rqxF -- "$1" "$own/lost"; }
# unfinished: nothing of a round that is being made, or was cut off
unfinished() { [ -z "$(find . -name '.unison*' -print -quit)" ]; }

"$function" "$@"
