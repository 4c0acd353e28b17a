#!/usr/bin/env bash
# nginx under wrk: several workers, keep-alive, compression, a proxy to itself, a reload under load, and a clean stop.
. "$(dirname "$0")/lib.sh" "$@"
PATH=$PATH:/usr/sbin:/sbin
need nginx wrk curl
port=$(free_port)
mkdir -p tmp html
chmod 777 tmp
seq 1 20000 >html/text
head -c 100000 /dev/zero | tr '\0' x >html/page
cat >conf <<CONF
daemon off;
user $(id -un) $(id -gn);
worker_processes 2;
pid $WORK/pid;
error_log $WORK/logs/nginx.error warn;
events { worker_connections 512; }
http {
    access_log $WORK/access;
    client_body_temp_path $WORK/tmp/body;
    proxy_temp_path $WORK/tmp/proxy;
    fastcgi_temp_path $WORK/tmp/fastcgi;
    uwsgi_temp_path $WORK/tmp/uwsgi;
    scgi_temp_path $WORK/tmp/scgi;
    proxy_cache_path $WORK/tmp/cache keys_zone=cache:1m;
    upstream self { server unix:$WORK/socket; keepalive 8; }
    server {
        listen unix:$WORK/socket;
        root $WORK/html;
    }
    server {
        listen 127.0.0.1:$port;
        root $WORK/html;
        location /packed/ { gzip on; gzip_types *; gzip_min_length 1; alias $WORK/html/; }
        location /proxy/ { proxy_pass http://self/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 4 8k; }
        location /cached/ { proxy_pass http://self/; proxy_cache cache; proxy_cache_valid 200 1s; }
        location ~ ^/echo/(?<word>[a-z]+)$ { return 200 "word \$word from \$request_method\n"; }
    }
}
CONF
[ -z "$LIB" ] || proved nginx -t -c "$WORK/conf" || fail "nginx does not like its configuration"
serve_on nginx -c "$WORK/conf"
server=$SERVER
url=http://127.0.0.1:$port
wait_for 10 curl -sf "$url/page"
# shellcheck disable=SC2046
prove_mapped "$server" $(pgrep -P "$server")
check() {
    curl -sf "$url/text" | cmp - html/text || fail "a file came back different"
    curl -sf --compressed "$url/packed/text" | cmp - html/text || fail "compressed, a file came back different"
    curl -sf "$url/proxy/page" | cmp - html/page || fail "through the proxy, a page came back different"
    curl -sf "$url/cached/text" | cmp - html/text || fail "from the cache, a file came back different"
    expect "echo" "$(curl -sf "$url/echo/hello")" "word hello from GET"
}
# Requests that got no good answer; nothing else may be reported.
load() {
    wrk -t 2 -c 40 --timeout 30s -d "$1" -H 'Accept-Encoding: gzip' "$url/$2" >wrk.out || fail "wrk ended with status $?"
    ! grep -E 'Socket errors|Non-2xx' wrk.out || fail "wrk saw errors on $2"
    total=$((total + $(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' wrk.out)))
}
total=0
check
load "$(pick 1s 20s)" page
load "$(pick 1s 20s)" packed/text
load "$(pick 1s 20s)" proxy/page
load "$(pick 1s 10s)" echo/abc
kill -HUP "$server"
sleep 1
# shellcheck disable=SC2046
prove_mapped $(pgrep -P "$server")
check
load "$(pick 1s 10s)" cached/text
kill -QUIT "$server"
wait "$server" || fail "nginx ended with status $?"
[ "$total" -gt 500 ] || fail "only $total requests were answered"
! grep -E 'exited on signal|alert' logs/nginx.error || fail "a worker died"
say "$total requests answered, reloaded under way"
