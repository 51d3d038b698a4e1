#!/bin/bash
# Stands in for the script of this name in docker.io/library/mariadb: what that image's page says of the variables that examples/mariadb sets, and no more.
set -euo pipefail
case ${1:-} in '' | -*) set -- mariadbd "$@" ;; esac
data=/var/lib/mysql
quoted() { local text=${1//\\/\\\\}; printf "'%s'" "${text//\'/\\\'}"; }
sql() { mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -uroot "$@"; }

if [ ! -d "$data/mysql" ]; then
  mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve --skip-log-bin > /dev/null
  "$@" --skip-networking --skip-slave-start & server=$!
  until sql -e 'SELECT 1' > /dev/null 2>&1; do kill -0 "$server"; sleep 0.2; done
  health=$(head -c 24 /dev/urandom | base64 -w 0)
  (umask 077; printf '[client]\nuser=healthcheck\npassword=%s\n' "$health" > "$data/.my-healthcheck.cnf")
  {
    # The users of a pod are its own.
    echo "SET SESSION sql_log_bin = 0;"
    for host in localhost 127.0.0.1; do
      echo "CREATE USER healthcheck@'$host' IDENTIFIED BY $(quoted "$health");"
      echo "GRANT ${MARIADB_HEALTHCHECK_GRANTS:-USAGE} ON *.* TO healthcheck@'$host';"
    done
    replica=$(quoted "$MARIADB_REPLICATION_USER") password=$(quoted "$MARIADB_REPLICATION_PASSWORD")
    if [ -n "${MARIADB_MASTER_HOST:-}" ]; then
      printf 'CHANGE MASTER TO MASTER_HOST=%s, MASTER_USER=%s, MASTER_PASSWORD=%s, MASTER_CONNECT_RETRY=10;\n' \
        "$(quoted "$MARIADB_MASTER_HOST")" "$replica" "$password"
    else
      echo "CREATE USER $replica@'%' IDENTIFIED BY $password;"
      echo "GRANT REPLICATION SLAVE ON *.* TO $replica@'%';"
    fi
    echo "ALTER USER root@'$MARIADB_ROOT_HOST' IDENTIFIED BY $(quoted "$MARIADB_ROOT_PASSWORD");"
    echo "SHUTDOWN;"
  } | sql
  wait "$server"
fi
exec "$@"
