#!/bin/sh
# What the tests want from Debian: Chromium, to open the HTML report, and WordNet, for METEOR.
# As root it installs them; otherwise it says what will be skipped, and why. It never fails the build.
wanted=""
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 ||
    wanted="$wanted chromium"
[ -d /usr/share/wordnet ] || wanted="$wanted wordnet-base wordnet-sense-index"
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "NOT INSTALLED:$wanted (not root, or no apt-get): the tests that need them are skipped" >&2
    exit 0
fi
echo "installing$wanted for the tests"
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted; } >/tmp/evalkit-debian.log 2>&1; then
    echo "NOT INSTALLED:$wanted (see /tmp/evalkit-debian.log): the tests that need them are skipped" >&2
fi
exit 0
