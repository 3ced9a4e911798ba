//! Programs for the kernel, in the few words that a filter of devices needs.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The numbers of linux/bpf.h.
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const F_ALLOW_MULTI: u32 = 2;

/// No function of the kernel is called that would ask for another.
const LICENSE: &CStr = c"Apache-2.0";

/// The verifier gives up where a signal arrives.
const ATTEMPTS: u32 = 5;

/// One of the kernel's registers, by its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Register(pub(crate) u8);

/// One instruction, as the kernel lays it out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Instruction {
    pub(crate) code: u8,
    registers: u8,
    pub(crate) offset: i16,
    pub(crate) immediate: i32,
}

/// What instructions do: class, operation and source of operands in one number.
pub(crate) mod code {
    pub(crate) const LOAD: u8 = 0x61;
    pub(crate) const AND: u8 = 0x54;
    pub(crate) const SHIFT_RIGHT: u8 = 0x74;
    pub(crate) const SET: u8 = 0xb4;
    pub(crate) const COPY: u8 = 0xbf;
    pub(crate) const JUMP_IF_EQUAL: u8 = 0x15;
    pub(crate) const JUMP_UNLESS_EQUAL: u8 = 0x55;
    pub(crate) const JUMP_UNLESS_SAME: u8 = 0x5d;
    pub(crate) const EXIT: u8 = 0x95;
}

impl Instruction {
    /// The 32 bits at `offset` of what `source` points to.
    pub(crate) fn load(target: Register, source: Register, offset: i16) -> Self {
        Self { offset, ..Self::of_two(code::LOAD, target, source) }
    }

    /// `target &= mask`, as 32 bits.
    pub(crate) fn and(target: Register, mask: u32) -> Self {
        Self::of_one(code::AND, target, mask)
    }

    /// `target >>= bits`, as 32 bits.
    pub(crate) fn shift_right(target: Register, bits: u32) -> Self {
        Self::of_one(code::SHIFT_RIGHT, target, bits)
    }

    /// `target = value`, with all higher bits 0.
    pub(crate) fn set(target: Register, value: u32) -> Self {
        Self::of_one(code::SET, target, value)
    }

    /// `target = source`.
    pub(crate) fn copy(target: Register, source: Register) -> Self {
        Self::of_two(code::COPY, target, source)
    }

    /// Goes on elsewhere if a register has this small value.
    pub(crate) fn jump_if_equal(register: Register, value: u32) -> Self {
        Self::of_one(code::JUMP_IF_EQUAL, register, value)
    }

    /// Goes on elsewhere if a register has another than this small value.
    pub(crate) fn jump_unless_equal(register: Register, value: u32) -> Self {
        Self::of_one(code::JUMP_UNLESS_EQUAL, register, value)
    }

    /// Goes on elsewhere if two registers differ.
    pub(crate) fn jump_unless_same(one: Register, other: Register) -> Self {
        Self::of_two(code::JUMP_UNLESS_SAME, one, other)
    }

    /// Ends the program with the value of register 0.
    pub(crate) fn exit() -> Self {
        Self::of_two(code::EXIT, Register(0), Register(0))
    }

    fn of_one(code: u8, target: Register, value: u32) -> Self {
        Self { immediate: value.cast_signed(), ..Self::of_two(code, target, Register(0)) }
    }

    fn of_two(code: u8, target: Register, source: Register) -> Self {
        // Bit fields, whose order is that of the machine's bytes.
        let (low, high) = if cfg!(target_endian = "big") { (source, target) } else { (target, source) };
        Self { code, registers: low.0 | high.0 << 4, offset: 0, immediate: 0 }
    }

    /// The register that is changed or looked at, and the second one.
    #[cfg(test)]
    pub(crate) fn registers(self) -> (usize, usize) {
        let (low, high) = (usize::from(self.registers & 0xf), usize::from(self.registers >> 4));
        if cfg!(target_endian = "big") { (high, low) } else { (low, high) }
    }

    pub(crate) fn is_jump(self) -> bool {
        matches!(self.code, code::JUMP_IF_EQUAL | code::JUMP_UNLESS_EQUAL | code::JUMP_UNLESS_SAME)
    }

    /// The same, jumping over this many instructions.
    pub(crate) fn over(self, count: usize) -> Self {
        Self { offset: i16::try_from(count).expect("a rule is a dozen instructions"), ..self }
    }
}

/// What bpf(2) reads to load a program; what follows in the kernel's own structure is 0.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
}

/// What bpf(2) reads to attach a program.
#[repr(C)]
struct Attach {
    target: RawFd,
    program: RawFd,
    kind: u32,
    flags: u32,
}

/// Hands the kernel a program that tells which devices may be used.
pub(crate) fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    match try_load(program) {
        // Before 5.11 a program counts as locked memory, of which all of a user's share one limit.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => {
            let limit = getrlimit(Resource::Memlock);
            setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).map_err(|_| error)?;
            let loaded = try_load(program);
            setrlimit(Resource::Memlock, limit)?;
            loaded
        }
        loaded => loaded,
    }
}

fn try_load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let load = Load {
        kind: PROG_TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: program.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
    };
    // SAFETY: the structure is laid out as the kernel reads it; its count is the slice's, its license ends with a zero,
    // and both live until the call returns.
    let descriptor = unsafe { call(PROG_LOAD, &load) }?;
    // SAFETY: the kernel has just made this descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Lets the kernel ask a program for all processes in a cgroup and below it, after those that it asks already.
pub(crate) fn attach(program: &OwnedFd, folder: &File) -> io::Result<()> {
    let attach = Attach {
        target: folder.as_fd().as_raw_fd(),
        program: program.as_raw_fd(),
        kind: CGROUP_DEVICE,
        flags: F_ALLOW_MULTI,
    };
    // SAFETY: the structure is laid out as the kernel reads it, has no pointers, and its descriptors are open.
    unsafe { call(PROG_ATTACH, &attach) }.map(drop)
}

/// # Safety
///
/// `attributes` are those of the command, and what they point to lives until this returns.
unsafe fn call<T>(command: libc::c_int, attributes: &T) -> io::Result<RawFd> {
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        // SAFETY: the caller's promise; the size is the structure's.
        let answer = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
        if answer >= 0 {
            return RawFd::try_from(answer).map_err(io::Error::other);
        }
        let error = io::Error::last_os_error();
        let is_interrupted = matches!(Errno::from_io_error(&error), Some(Errno::AGAIN | Errno::INTR));
        if !is_interrupted || attempts == 0 {
            return Err(error);
        }
    }
}
