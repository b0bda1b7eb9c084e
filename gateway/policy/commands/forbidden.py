"""Binaries that no table can close: whatever their options, they run other programs or change what runs them.

A rule may list them; a command with one of them is denied all the same, except for what a table lets through
(`python --version`). A rule that has to allow one lists a script of the author's own, by its absolute path.
"""

_REASONS = {
    "runs programs in a language of its own": "apl bc bpftrace busctl bun clojure csi dc deno elixir elvish emacs erl "
    "expect fennel gdb ghci gnuplot groovy guile iex irb java jshell jrunscript julia kotlin ksh latex lldb "
    "lua luajit luatex m4 mongo mongosh mysql nasm nim node nodejs nu octave osascript pdflatex perl perl5 php "
    "pico pry psql pwsh powershell python python2 python3 pypy pypy3 qemu-system-x86_64 R Rscript racket raku "
    "redis-cli "
    "rlwrap ruby runghc sbcl scala scheme sqlite3 sqlplus stap swift swipl tclsh tex ts-node wish xelatex",
    "is a shell": "ash bash csh dash fish mksh pdksh rbash rc sh tcsh xonsh yash zsh busybox toybox",
    "opens an editor or pager that runs commands": "ed ex emacsclient joe kak less man mg micro more most mcedit mutt "
    "nano nvim pg pico red rview rvim vi view vim vimdiff info lynx w3m links screen script tmux watch",
    "runs other programs": "ansible ansible-playbook apt apt-get aptitude at batch brew bundle builtin bwrap "
    "cargo capsh chpst chroot chrt cmake command composer conda coproc cpulimit crontab dbus-send dnf doas "
    "docker-compose "
    "dpkg entr env eval exec firejail flock ftp gem gimp git-shell gradle helm ionice ip nc ncat netcat socat "
    "telnet ssh scp sftp rsync ssh-agent ssh-keygen ld.so ldd logsave logrotate ltrace make mvn multitime nice "
    "nohup npm "
    "npx nsenter pip pip3 pipx pkexec pnpm podman poetry printenv rlogin rpm run-parts runuser service setarch setpriv "
    "setsid sg snap source split start-stop-daemon stdbuf strace su sudo systemd-run taskset tcpdump terraform time "
    "timeout trap unshare uv uvx valgrind wget xargs xdg-open yarn yum zypper parallel nmap openssl",
    "changes the shell or the machine it runs in": ". alias bg cd declare disown enable exit export fc fg hash "
    "history jobs kill let "
    "local logout mapfile popd pushd read readarray readonly return set shift shopt suspend typeset ulimit umask "
    "unalias "
    "unset wait bind complete compgen compopt caller dirs getopts login logout newgrp passwd reboot shutdown halt "
    "poweroff mount umount dd mkfs fdisk chown chgrp chattr useradd usermod",
}

FORBIDDEN = {name: reason for reason, names in _REASONS.items() for name in names.split()}
