"""A seccomp filter: no sockets, no other processes, no changes to files, whatever a file does.

What is denied fails as if the right were missing, so that a library which asks in vain goes on. The
filter denies a list and lets the rest pass: an allow list would break with every new version of a
C library. It holds for all threads of the process and cannot be taken back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

from . import kernel

_NETWORK = "socket connect bind listen accept accept4 socketpair"
_PROCESSES = (
    "fork vfork execve execveat ptrace process_vm_readv process_vm_writev process_madvise kcmp "
    "pidfd_getfd pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo process_mrelease setpriority "
    "ioprio_set sched_setaffinity sched_setattr sched_setparam sched_setscheduler migrate_pages "
    "move_pages"
)
_PAST_LIMITS = (
    "io_uring_setup io_uring_enter io_uring_register shmget msgget semget mq_open userfaultfd"
)
_FILES = (
    "creat truncate ftruncate fallocate unlink unlinkat rename renameat renameat2 mkdir mkdirat "
    "rmdir link linkat symlink symlinkat mknod mknodat chmod fchmod fchmodat fchmodat2 chown "
    "fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr "
    "utime utimes futimesat utimensat open_by_handle_at name_to_handle_at"
)
_MACHINE = (
    "mount umount2 move_mount fsopen fsmount open_tree pivot_root chroot unshare setns bpf "
    "perf_event_open keyctl add_key request_key init_module finit_module kexec_load reboot swapon "
    "swapoff settimeofday clock_settime sethostname setdomainname syslog quotactl acct"
)
DENIED = f"{_NETWORK} {_PROCESSES} {_PAST_LIMITS} {_FILES} {_MACHINE}".split()
_NUMBERS = {
    "x86_64": "socket=41 connect=42 bind=49 listen=50 accept=43 accept4=288 socketpair=53 fork=57 "
    "vfork=58 execve=59 execveat=322 ptrace=101 process_vm_readv=310 process_vm_writev=311 "
    "rt_sigqueueinfo=129 rt_tgsigqueueinfo=297 kcmp=312 shmget=29 msgget=68 semget=64 mq_open=240 "
    "userfaultfd=323 creat=85 truncate=76 ftruncate=77 fallocate=285 unlink=87 unlinkat=263 "
    "rename=82 renameat=264 renameat2=316 mkdir=83 mkdirat=258 rmdir=84 link=86 linkat=265 "
    "symlink=88 symlinkat=266 mknod=133 mknodat=259 chmod=90 fchmod=91 fchmodat=268 chown=92 "
    "fchown=93 lchown=94 fchownat=260 setxattr=188 lsetxattr=189 fsetxattr=190 removexattr=197 "
    "lremovexattr=198 fremovexattr=199 utime=132 utimes=235 futimesat=261 utimensat=280 "
    "name_to_handle_at=303 open_by_handle_at=304 mount=165 umount2=166 pivot_root=155 chroot=161 "
    "unshare=272 setns=308 bpf=321 perf_event_open=298 keyctl=250 add_key=248 request_key=249 "
    "init_module=175 finit_module=313 kexec_load=246 reboot=169 swapon=167 swapoff=168 "
    "settimeofday=164 clock_settime=227 sethostname=170 setdomainname=171 syslog=103 quotactl=179 "
    "acct=163 clone=56 open=2 openat=257 kill=62 tkill=200 tgkill=234 prctl=157 seccomp=317 "
    "prlimit64=302 fcntl=72 ioctl=16 setpriority=141 ioprio_set=251 sched_setaffinity=203 "
    "sched_setattr=314 sched_setparam=142 sched_setscheduler=144 migrate_pages=256 move_pages=279",
    "aarch64": "socket=198 connect=203 bind=200 listen=201 accept=202 accept4=242 socketpair=199 "
    "execve=221 execveat=281 ptrace=117 process_vm_readv=270 process_vm_writev=271 "
    "rt_sigqueueinfo=138 rt_tgsigqueueinfo=240 kcmp=272 shmget=194 msgget=186 semget=190 "
    "mq_open=180 userfaultfd=282 truncate=45 ftruncate=46 fallocate=47 unlinkat=35 renameat=38 "
    "renameat2=276 mkdirat=34 linkat=37 symlinkat=36 mknodat=33 fchmod=52 fchmodat=53 fchown=55 "
    "fchownat=54 setxattr=5 lsetxattr=6 fsetxattr=7 removexattr=14 lremovexattr=15 fremovexattr=16 "
    "utimensat=88 name_to_handle_at=264 open_by_handle_at=265 mount=40 umount2=39 pivot_root=41 "
    "chroot=51 unshare=97 setns=268 bpf=280 perf_event_open=241 keyctl=219 add_key=217 "
    "request_key=218 init_module=105 finit_module=273 kexec_load=104 reboot=142 swapon=224 "
    "swapoff=225 settimeofday=170 clock_settime=112 sethostname=161 setdomainname=162 syslog=116 "
    "quotactl=60 acct=89 clone=220 openat=56 kill=129 tkill=130 tgkill=131 prctl=167 seccomp=277 "
    "prlimit64=261 fcntl=25 ioctl=29 setpriority=140 ioprio_set=30 sched_setaffinity=122 "
    "sched_setattr=274 sched_setparam=118 sched_setscheduler=119 migrate_pages=238 move_pages=239",
}
_SAME_EVERYWHERE = (
    "pidfd_send_signal=424 io_uring_setup=425 io_uring_enter=426 io_uring_register=427 "
    "open_tree=428 move_mount=429 fsopen=430 fsmount=432 clone3=435 openat2=437 pidfd_getfd=438 "
    "process_madvise=440 process_mrelease=448 fchmodat2=452"
)
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x00010000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SIGNALS_FROM_FILES = (8, 10, 15)
"""F_SETOWN, F_SETSIG and F_SETOWN_EX: have the kernel signal somebody, with any signal."""
_OWNERS_OF_SOCKETS = (0x8901, 0x8902)
"""FIOSETOWN and SIOCSPGRP: the same for sockets."""
_SECCOMP_SET_MODE_FILTER, _ALL_THREADS = 1, 1

Code = tuple[int, int, int, int]
"""Operation, how far to jump when it holds and when it does not, operand."""


@dataclass(frozen=True, slots=True)
class _Argument:
    """Which argument of a call decides, and how; what is not as it must be is refused."""

    number: int
    operation: int
    operands: tuple[int, ...]
    holds: int
    fails: int


def restrict() -> bool:
    """Install the filter in all threads; False where there is none for this machine.

    Raises:
        OSError: the kernel has no such filters, or refuses them.
    """
    machine = platform.machine()
    if not kernel.is_linux() or machine not in _NUMBERS:
        return False
    code = program(machine, os.getpid())
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
    # struct sock_fprog: how many, and where.
    header = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters))
    shown = ctypes.create_string_buffer(header, len(header))
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    number = numbers(machine)["seccomp"]
    kernel.syscall(number, _SECCOMP_SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(shown))
    return True


def numbers(machine: str) -> dict[str, int]:
    """The numbers of the calls on a machine; those it does not have are left out."""
    pairs = (one.split("=") for one in f"{_NUMBERS[machine]} {_SAME_EVERYWHERE}".split())
    return {name: int(number) for name, number in pairs}


def program(machine: str, pid: int) -> list[Code]:
    """The filter for a machine and a process, which may signal nobody but itself."""
    known = numbers(machine)
    denied = sorted(known[name] for name in DENIED if name in known)
    code: list[Code] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        _refuse(errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        _refuse(errno.ENOSYS),
    ]
    for name, argument in _arguments(pid).items():
        if name in known:
            code += _decide(known[name], argument)
    for name in ("clone3", "openat2"):  # their arguments cannot be seen; libraries do without
        code += [(_EQUAL, 0, 1, known[name]), _refuse(errno.ENOSYS)]
    for at, number in enumerate(denied):
        code.append((_EQUAL, len(denied) - at, 0, number))
    return [*code, (_RETURN, 0, 0, _ALLOW), _refuse(errno.EPERM)]


def _arguments(pid: int) -> dict[str, _Argument]:
    """Calls that are refused for some arguments."""
    allowed = 0
    myself = _Argument(0, _EQUAL, (pid,), allowed, errno.EPERM)
    return {
        "clone": _Argument(0, _ANY_BIT, (_CLONE_THREAD,), allowed, errno.EPERM),
        "open": _Argument(1, _ANY_BIT, (_WRITES,), errno.EACCES, allowed),
        "openat": _Argument(2, _ANY_BIT, (_WRITES,), errno.EACCES, allowed),
        "kill": myself,
        "tkill": myself,
        "tgkill": myself,
        "prctl": _Argument(0, _EQUAL, (_PR_SET_PDEATHSIG,), errno.EPERM, allowed),
        # Its own limits, as 0, may be lowered; those of the daemon would end it.
        "prlimit64": _Argument(0, _EQUAL, (0,), allowed, errno.EPERM),
        "fcntl": _Argument(1, _EQUAL, _SIGNALS_FROM_FILES, errno.EPERM, allowed),
        "ioctl": _Argument(1, _EQUAL, _OWNERS_OF_SOCKETS, errno.EPERM, allowed),
    }


def _decide(number: int, argument: _Argument) -> list[Code]:
    """Decide about one call by the lower half of an argument (both machines are little-endian)."""
    count = len(argument.operands)
    return [
        (_EQUAL, 0, 3 + count, number),
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument.number),
        *((argument.operation, count - at, 0, one) for at, one in enumerate(argument.operands)),
        _refuse(argument.fails),
        _refuse(argument.holds),
    ]


def _refuse(error: int) -> Code:
    """Return with this error; 0 lets the call pass."""
    return (_RETURN, 0, 0, _ERRNO | error if error else _ALLOW)
