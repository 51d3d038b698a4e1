#!/bin/bash
# load.sh COMMAND: what a user of the database of examples/mariadb does, in one of its pods. The user's password comes on standard input.
set -euo pipefail
read -r password
at() { MYSQL_PWD=$password mariadb --no-defaults -uapp --connect-timeout=5 -h "$@"; }
case $1 in
  # The user, and a table whose rows say who wrote them.
  make)
    MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --socket=/run/mysqld/mysqld.sock -uroot <<SQL
CREATE DATABASE app;
CREATE USER app@'%' IDENTIFIED BY '$password';
GRANT ALL ON app.* TO app@'%';
CREATE TABLE app.t (id INT PRIMARY KEY, host VARCHAR(64) NOT NULL);
SQL
    ;;
  # write FIRST LAST: a row each, a connection each hundred, where writes go.
  write)
    for ((first = $2; first <= $3; first += 100)); do
      for ((id = first; id < first + 100 && id <= $3; id++)); do echo "INSERT INTO app.t VALUES ($id, @@hostname);"; done | at db-primary.db
    done ;;
  # insist FIRST LAST: a row and a connection each, again until the database has said that it is there.
  insist)
    for ((id = $2; id <= $3; id++)); do
      until at db-primary.db -e "INSERT INTO app.t VALUES ($id, @@hostname) ON DUPLICATE KEY UPDATE id = id" 2> /dev/null; do sleep 0.2; done
    done ;;
  # Who answers where writes go, or where reads go, to twenty connections.
  who) for _ in {1..20}; do at "$2.db" -sNe 'SELECT @@hostname'; done | sort -u | tr '\n' ' ' ;;
  writers) at db-primary.db -sNe 'SELECT DISTINCT host FROM app.t' ;;
  count) at "$2" -sNe 'SELECT COUNT(*) FROM app.t' ;;
  # Where reads go nothing is written.
  refused)
    said=$(at db-secondary.db -e 'INSERT INTO app.t VALUES (0, "nobody")' 2>&1) || true
    grep -q -- --read-only <<< "$said" ;;
  # follow START|STOP, on a reader.
  follow) MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --socket=/run/mysqld/mysqld.sock -uroot -e "$2 SLAVE" ;;
  *) echo "load.sh: $1 is not known" >&2; exit 2 ;;
esac
