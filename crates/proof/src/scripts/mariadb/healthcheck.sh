#!/bin/bash
# Stands in for the script of this name in docker.io/library/mariadb: the options that examples/mariadb gives it. Status 0: all of it is so.
set -euo pipefail
sql() { mariadb --defaults-file=/var/lib/mysql/.my-healthcheck.cnf --protocol=tcp --host=127.0.0.1 --connect-timeout=3 "$@"; }
io='' thread='' behind=''
for option; do
  case $option in
    --connect) sql -e 'SELECT 1' > /dev/null ;;
    --innodb_initialized)
      [ "$(sql -sNe "SELECT COUNT(*) FROM information_schema.ENGINES WHERE engine = 'innodb' AND support IN ('YES', 'DEFAULT')")" = 1 ] ;;
    --replication_io) io=1 ;;
    --replication_sql) thread=1 ;;
    --replication_seconds_behind_master=*) behind=${option#*=} ;;
    --replication)
      status=$(sql -e 'SHOW REPLICA STATUS\G')
      of() { sed -n "s/^ *$1: //p" <<< "$status"; }
      [ -n "$status" ]
      [ -z "$io" ] || [ "$(of Slave_IO_Running)" = Yes ]
      [ -z "$thread" ] || [ "$(of Slave_SQL_Running)" = Yes ]
      [ -z "$behind" ] || [ "$(of Seconds_Behind_Master)" -le "$behind" ] ;;
    *) echo "healthcheck.sh: $option is not known" >&2; exit 1 ;;
  esac
done
