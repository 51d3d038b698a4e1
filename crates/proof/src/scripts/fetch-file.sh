# shellcheck shell=sh
# sh -c THIS ADDRESS: fetches the file of a server over TCP, and says how many bytes of it arrive.
printf 'GET /file HTTP/1.0\r\n\r\n' | /bin/busybox timeout 20 /bin/busybox nc "$0" 8080 > /tmp/got
headers=$(/bin/busybox sed '/^\r*$/q' /tmp/got | /bin/busybox wc -c)
echo $(($(/bin/busybox wc -c < /tmp/got) - headers))
