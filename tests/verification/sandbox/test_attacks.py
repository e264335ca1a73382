"""Each program tries one way out and returns what it got; none may get anything."""

import pytest

from verification.sandbox import Job, Pool

HEADER = "import os, sys, ctypes, socket, signal, mmap\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def raw(*arguments: object) -> str:
    """A raw system call (x86_64); attack() returns its result where it is not negative."""
    return f"r = libc.syscall({', '.join(map(str, arguments))})\nreturn r if r >= 0 else None"


ATTACKS = {
    # files
    "reads a file": "return open('/etc/passwd').read()",
    "reads a file by a low-level call": "return os.read(os.open('/etc/hostname', os.O_RDONLY), 10)",
    "reads its interpreter": "return open(sys.executable, 'rb').read(4)",
    "reads the source of the sandbox": "import verification.sandbox.codec as m\nreturn open(m.__file__).read(1)",
    "lists the root": "return os.listdir('/')",
    "lists its folder": "return os.listdir('.')",
    "asks for a file's metadata": "return os.stat('/etc/passwd').st_size",
    "asks whether a file exists": "return os.path.exists('/etc/passwd') or None",
    "writes a file": "return open('/tmp/attack', 'w').write('x')",
    "writes to shared memory": "return open('/dev/shm/attack', 'w').write('x')",
    "makes a temporary file": "import tempfile\nreturn tempfile.mkstemp()",
    "makes a folder": "return os.mkdir('/tmp/attack') or 1",
    "removes a file": "return os.unlink('/tmp') or 1",
    "renames a file": "return os.rename('/tmp', '/tmq') or 1",
    "makes a link": "return os.symlink('/etc/passwd', '/tmp/attack') or 1",
    "changes its folder": "return os.chdir('/') or 1",
    "changes its root": "return os.chroot('/') or 1",
    "reads a device": "return open('/dev/urandom', 'rb').read(1)",
    "reads the kernel's random device by number": "return os.mknod('/tmp/attack', 0o20666, os.makedev(1, 9)) or 1",
    "makes a file in memory": "return os.memfd_create('x')",
    "makes a named pipe": "return os.mkfifo('/tmp/attack') or 1",
    "opens by handle": raw(304, -100, 0, 0),
    "opens with openat2": raw(437, -100, "b'/etc/passwd'", "(ctypes.c_uint64 * 3)()", 24),
    "opens with the old call": raw(2, "b'/etc/passwd'", 0),
    "opens through a descriptor left open": (
        "for number in range(5, 64):\n    try:\n        os.fstat(number)\n        return number\n"
        "    except OSError: pass"
    ),
    "uses its standard output as a file": "return os.ftruncate(1, 10) or 1",
    # network
    "opens a TCP socket": "return socket.socket(socket.AF_INET, socket.SOCK_STREAM).fileno()",
    "opens a UDP socket": "return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno()",
    "opens an IPv6 socket": "return socket.socket(socket.AF_INET6, socket.SOCK_STREAM).fileno()",
    "opens an abstract socket": "return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).fileno()",
    "opens a netlink socket": "return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).fileno()",
    "resolves a name": "return socket.getaddrinfo('localhost', 80)",
    "makes a pair of datagram sockets": "return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].fileno()",
    "passes a descriptor": "a, b = socket.socketpair()\nreturn socket.send_fds(a, [b'x'], [0])",
    "listens on its channel": "return socket.socket(fileno=3).listen() or 1",
    # processes
    "forks": "return os.fork() + 1",
    "forks with vfork": raw(58),
    "forks with clone": raw(56, 17, 0, 0, 0, 0),
    "forks with clone3": raw(435, "(ctypes.c_uint64 * 11)(0, 0, 0, 0, 17)", 88),
    "executes a program": "os.execv('/bin/true', ['true'])",
    "executes from a descriptor": raw(322, 0, "b''", "None", "None", 0x1000),
    "starts a shell": "return os.system('true') == 0 or None",
    "starts a subprocess": "import subprocess\nreturn subprocess.run(['/bin/true'])",
    "starts by posix_spawn": "return os.posix_spawn('/bin/true', ['true'], {})",
    "starts a process pool": "import multiprocessing\nreturn multiprocessing.Pool(1)",
    # signals and other processes
    "kills its parent": "return os.kill(os.getppid(), 9) or 1",
    "kills everything": "return os.kill(-1, 9) or 1",
    "kills its group": "return os.killpg(0, 9) or 1",
    "signals by tgkill": raw(234, "os.getpid()", "os.getpid()", 0),
    "signals by a process descriptor": "return signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0) or 1",
    "queues a signal": raw(129, "os.getppid()", 9, "(ctypes.c_char * 128)()"),
    "stops itself": "return os.kill(os.getpid(), signal.SIGSTOP) or 1",
    "traces its parent": raw(101, 16, "os.getppid()", 0, 0),
    "lets itself be traced": raw(101, 0, 0, 0, 0),
    "reads another process's memory": raw(310, "os.getppid()", 0, 0, 0, 0, 0),
    "writes another process's memory": raw(311, "os.getppid()", 0, 0, 0, 0, 0),
    "takes another process's descriptor": raw(438, 0, 0, 0),
    "reads /proc of its parent": "return open(f'/proc/{os.getppid()}/environ').read()",
    "reads its own memory map": "return open('/proc/self/maps').read()",
    "reads the command line": "return open('/proc/self/cmdline').read()",
    "changes another's priority": "return os.setpriority(os.PRIO_PROCESS, os.getppid(), 19) or 1",
    "compares processes": raw(312, "os.getpid()", "os.getppid()", 0, 0, 0),
    "directs signals at its parent": "import fcntl\nreturn fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid()) + 1",
    # privileges and kernel interfaces
    "becomes root": "return os.setuid(0) or 1",
    "sets its groups": "return os.setgroups([0]) or 1",
    "makes a user namespace": raw(272, 0x10000000),
    "enters a namespace": raw(308, 3, 0),
    "clones into a user namespace": raw(56, "0x10000000 | 17", 0, 0, 0, 0),
    "mounts": raw(165, "b'none'", "b'/'", "b'tmpfs'", 0, 0),
    "sets up io_uring": raw(425, 8, "(ctypes.c_char * 120)()"),
    "loads a BPF program": raw(321, 0, 0, 0),
    "reads performance counters": raw(298, 0, 0, -1, -1, 0),
    "adds a key": raw(248, "b'user'", "b'x'", "b'y'", 1, -3),
    "asks for keys": raw(250, 0, -3, 1),
    "handles page faults": raw(323, 0),
    "changes its personality": raw(135, 0x0400000),
    "installs a filter of its own": raw(317, 1, 0, 0),
    "asks prctl to let it be traced": raw(157, 4, 1, 0, 0, 0),
    "reads the kernel's log": raw(103, 3, 0, 0),
    "loads a kernel module": raw(313, 0, 0, 0),
    "makes executable memory": "return mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC) and 1",
    "makes memory executable": raw(10, "ctypes.addressof(ctypes.create_string_buffer(8192)) & ~4095", 4096, 5),
    "makes shared memory": raw(29, 0, 4096, 0o1600),
    "makes a message queue": raw(68, 0, 0o1600),
    "raises a limit": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nreturn 1",
    "raises a limit by prlimit": raw(302, 0, 9, "(ctypes.c_uint64 * 2)(1 << 60, 1 << 60)", 0),
    "reads a limit of its parent": raw(302, "os.getppid()", 9, 0, "(ctypes.c_uint64 * 2)()"),
    "sets the clock": "import time\nreturn time.clock_settime(time.CLOCK_REALTIME, 0) or 1",
    "sets the host's name": "return socket.sethostname('x') or 1",
    "pins itself to a core": "return os.sched_setaffinity(0, {0}) or 1",
    "becomes a real-time process": "return os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) or 1",
    "locks memory": raw(149, 0, 4096),
    "makes a session": "return os.setsid()",
    "imports a device module": "import fcntl\nreturn fcntl.ioctl(0, 0x5412, b'x')",
}


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_comes_of_a_program_that(name: str, pool: Pool) -> None:
    body = "\n".join("    " + line for line in ATTACKS[name].splitlines())
    code = f"{HEADER}def attack():\n{body}\n"

    (result,) = pool.run_many([Job.call(code, "attack", [])])

    assert result.status in ("exception", "passed"), result
    assert result.status == "exception" or result.value is None, result


def test_the_32_bit_and_x32_system_calls_end_the_process(pool: Pool) -> None:
    code = HEADER + "def attack():\n    return libc.syscall(0x40000000 | 39)\n"

    (result,) = pool.run_many([Job.call(code, "attack", [])])

    assert result.status == "died"
