//! Which devices the processes of a cgroup may make and open.
//!
//! Version 2 has no files for that: the kernel asks a program. This one takes the accesses that are asked for, goes
//! through the rules from the last to the first, and takes away those that a rule allows; where nothing is left, the
//! device may be used. Where a rule denies what is left, or no rule allows it, it may not.

use std::fs::File;
use std::io;

use rustix::io::Errno;

use crate::Cgroup;
use crate::bpf::{self, Instruction, Register};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::Folder;
use crate::layout::Layout;

/// What processes may do, or not, with one device or several.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rule {
    /// Whether they may.
    pub allow: bool,
    /// Of which kind the devices are.
    pub kind: Kind,
    /// The number of their driver; any where there is none.
    pub major: Option<u32>,
    /// The number that their driver gives them; any where there is none.
    pub minor: Option<u32>,
    /// Whether it is about reading.
    pub read: bool,
    /// Whether it is about writing.
    pub write: bool,
    /// Whether it is about making a node.
    pub mknod: bool,
}

/// A kind of devices.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Both others.
    All,
    /// Character devices.
    Char,
    /// Block devices.
    Block,
}

/// The bits of linux/bpf.h.
const MKNOD: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;
const EVERY_ACCESS: u32 = MKNOD | READ | WRITE;
const BLOCK: u32 = 1;
const CHAR: u32 = 2;

/// Where the program has what.
const VERDICT: Register = Register(0);
/// What the kernel asks, until it is read.
const QUESTION: Register = Register(1);
const SCRATCH: Register = Register(1);
const KIND: Register = Register(2);
/// What was asked for and no rule has allowed yet.
const LEFT: Register = Register(3);
const MAJOR: Register = Register(4);
const MINOR: Register = Register(5);

impl Cgroup {
    /// Leaves its processes, from now on, the devices that rules allow: each access is as the last rule says that is
    /// about it, and denied where there is none.
    ///
    /// Where cgroup v1 has its devices, this does nothing: whoever makes a cgroup writes them into its files there.
    ///
    /// A further call takes nothing back. What is open stays open.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the kernel has no such programs, does not let the caller load one, or
    /// if the cgroup has no place for one; [`NotFound`](ErrorKind::NotFound), [`Io`](ErrorKind::Io).
    pub fn filter_devices(&self, rules: &[Rule]) -> Result<()> {
        let folder = match &self.layout {
            Layout::V2(folder) => folder,
            Layout::V1(_) if self.layout.controller("devices").is_some() => return Ok(()),
            Layout::V1(hierarchies) => {
                let unified = hierarchies.iter().find(|hierarchy| hierarchy.controllers.is_empty());
                &unified.ok_or_else(|| self.unlimited())?.folder
            }
        };
        filter(folder, rules)
    }

    fn unlimited(&self) -> Error {
        let message = format!("nothing limits the devices of the cgroup {}", self.layout.members());
        Error::new(ErrorKind::Unsupported, message)
    }
}

fn filter(folder: &Folder, rules: &[Rule]) -> Result<()> {
    let opened = File::open(folder.path()).map_err(|error| Error::io("open", folder, error))?;
    let loaded = bpf::load(&program(rules)).map_err(|error| failure("load", folder, error))?;
    bpf::attach(&loaded, &opened).map_err(|error| failure("attach", folder, error))
}

/// What the kernel refuses for good is unsupported.
fn failure(action: &str, folder: &Folder, cause: io::Error) -> Error {
    let is_refusal = matches!(
        Errno::from_io_error(&cause),
        Some(Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::OPNOTSUPP | Errno::BADF)
    );
    let error = Error::io(
        action,
        format_args!("the BPF program that filters the devices of the cgroup {folder}"),
        cause,
    );
    if is_refusal {
        let advice = "it takes Linux 4.15 with CONFIG_CGROUP_BPF, CAP_SYS_ADMIN, and no program on a cgroup above that \
                      admits no other";
        return Error::new(ErrorKind::Unsupported, format!("{error}; {advice}"));
    }
    error
}

fn program(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        // struct bpf_cgroup_dev_ctx: kind and accesses in one number, then the device's two.
        Instruction::load(KIND, QUESTION, 0),
        Instruction::copy(LEFT, KIND),
        Instruction::and(KIND, 0xffff),
        Instruction::shift_right(LEFT, 16),
        Instruction::load(MAJOR, QUESTION, 4),
        Instruction::load(MINOR, QUESTION, 8),
    ];
    for rule in rules.iter().rev().filter(|rule| rule.accesses() != 0) {
        program.extend(rule.instructions());
    }
    program.extend(end(false));
    program
}

fn end(verdict: bool) -> [Instruction; 2] {
    [Instruction::set(VERDICT, verdict.into()), Instruction::exit()]
}

impl Rule {
    fn accesses(&self) -> u32 {
        let bit = |is_meant: bool, bit| if is_meant { bit } else { 0 };
        bit(self.mknod, MKNOD) | bit(self.read, READ) | bit(self.write, WRITE)
    }

    /// A part of the program that either ends it or runs to its own end.
    fn instructions(&self) -> Vec<Instruction> {
        let mut part = self.conditions();
        if self.allow {
            part.push(Instruction::and(LEFT, EVERY_ACCESS & !self.accesses()));
            part.push(Instruction::jump_unless_equal(LEFT, 0));
        } else {
            part.push(Instruction::copy(SCRATCH, LEFT));
            part.push(Instruction::and(SCRATCH, self.accesses()));
            part.push(Instruction::jump_if_equal(SCRATCH, 0));
        }
        part.extend(end(self.allow));
        let length = part.len();
        for (at, instruction) in part.iter_mut().enumerate().filter(|(_, it)| it.is_jump()) {
            *instruction = instruction.over(length - at - 1);
        }
        part
    }

    /// Leads on only for the devices that are meant.
    fn conditions(&self) -> Vec<Instruction> {
        let mut conditions = match self.kind {
            Kind::All => Vec::new(),
            Kind::Char => vec![Instruction::jump_unless_equal(KIND, CHAR)],
            Kind::Block => vec![Instruction::jump_unless_equal(KIND, BLOCK)],
        };
        for (register, number) in [(MAJOR, self.major), (MINOR, self.minor)] {
            if let Some(number) = number {
                // By way of a register: what stands in the instruction itself would be taken for a signed number.
                conditions.push(Instruction::set(VERDICT, number));
                conditions.push(Instruction::jump_unless_same(register, VERDICT));
            }
        }
        conditions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::code;
    use crate::layout::Hierarchy;
    use crate::private::{Private, Version};

    /// A rule as the kernel's version 1 writes it, after a plus or a minus.
    fn rule(text: &str) -> Rule {
        let words: Vec<_> = text.split([' ', ':']).collect();
        let [sign, kind, major, minor, accesses] = words[..] else { panic!("no rule: {text}") };
        let kind = match kind {
            "a" => Kind::All,
            "c" => Kind::Char,
            _ => Kind::Block,
        };
        let (read, write, mknod) = (accesses.contains('r'), accesses.contains('w'), accesses.contains('m'));
        Rule {
            allow: sign == "+",
            kind,
            major: major.parse().ok(),
            minor: minor.parse().ok(),
            read,
            write,
            mknod,
        }
    }

    fn rules<const N: usize>(texts: [&str; N]) -> [Rule; N] {
        texts.map(rule)
    }

    /// Whether rules allow a question, which is a rule that is about one device.
    fn allow(rules: &[Rule], question: &str) -> bool {
        let question = rule(&format!("? {question}"));
        let kind = if question.kind == Kind::Char { CHAR } else { BLOCK };
        let number = |number: Option<u32>| number.expect("a number");
        let context = [question.accesses() << 16 | kind, number(question.major), number(question.minor)];
        run(&program(rules), context) == 1
    }

    /// What the kernel does with the instructions that are used here.
    fn run(program: &[Instruction], context: [u32; 3]) -> u64 {
        let (mut registers, mut at) = ([0_u64; 6], 0);
        loop {
            let instruction = program[at];
            let (one, other) = instruction.registers();
            let value = u64::from(instruction.immediate.cast_unsigned());
            let signed = i64::from(instruction.immediate).cast_unsigned();
            let offset = usize::try_from(instruction.offset).expect("nothing leads back");
            at += 1;
            let jumps = match instruction.code {
                code::JUMP_IF_EQUAL => registers[one] == signed,
                code::JUMP_UNLESS_EQUAL => registers[one] != signed,
                code::JUMP_UNLESS_SAME => registers[one] != registers[other],
                _ => false,
            };
            at += if jumps { offset } else { 0 };
            match instruction.code {
                code::LOAD => registers[one] = context[offset / 4].into(),
                code::AND => registers[one] &= value,
                code::SHIFT_RIGHT => registers[one] >>= value,
                code::SET => registers[one] = value,
                code::COPY => registers[one] = registers[other],
                code::EXIT => return registers[0],
                _ => {}
            }
        }
    }

    #[test]
    fn what_no_rule_is_about_is_denied() {
        let rules = rules(["+ c 1:3 rwm"]);
        for allowed in ["c 1:3 r", "c 1:3 rw", "c 1:3 m"] {
            assert!(allow(&rules, allowed), "{allowed}");
        }
        for denied in ["b 1:3 r", "c 1:4 r", "c 3:1 m", "c 0:3 r"] {
            assert!(!allow(&rules, denied), "{denied}");
        }
        assert!(!allow(&[], "c 1:3 r"));
    }

    #[test]
    fn the_last_rule_that_is_about_an_access_decides_it() {
        let rules = rules(["+ c 1:* rw", "- c 1:5 w", "- a *:* m", "+ b 7:* m"]);
        for allowed in ["c 1:3 rw", "c 1:5 r", "b 7:9 m"] {
            assert!(allow(&rules, allowed), "{allowed}");
        }
        for denied in ["c 1:5 w", "c 1:5 rw", "c 1:3 m", "b 8:0 m", "b 7:9 r"] {
            assert!(!allow(&rules, denied), "{denied}");
        }
    }

    #[test]
    fn accesses_may_be_allowed_by_several_rules() {
        let rules = rules(["- a *:* rwm", "+ c 10:200 r", "+ c 10:* w", "+ c *:* m"]);
        assert!(allow(&rules, "c 10:200 rw"));
        assert!(allow(&rules, "c 10:200 rwm"));
        assert!(allow(&rules, "c 10:1 w"));
        assert!(!allow(&rules, "c 10:1 rw"));
        assert!(!allow(&rules, "b 10:200 m"));
    }

    #[test]
    fn a_rule_about_no_access_changes_nothing() {
        assert!(!allow(&rules(["+ c 1:3 "]), "c 1:3 r"));
        assert!(allow(&rules(["+ a *:* rwm", "- c 1:3 "]), "c 1:3 r"));
    }

    #[test]
    fn the_largest_numbers_are_compared_as_a_whole() {
        let rules = rules(["+ c 4294967295:2147483648 rwm"]);
        assert!(allow(&rules, "c 4294967295:2147483648 rwm"));
        assert!(!allow(&rules, "c 4294967295:2147483647 r"));
    }

    #[test]
    fn a_cgroup_whose_devices_version_1_limits_is_left_alone() {
        let hierarchy = |controllers: &[&str]| Hierarchy {
            controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
            folder: Folder::new("/no/such/folder"),
        };
        let filter = |hierarchies| Cgroup { layout: Layout::V1(hierarchies) }.filter_devices(&[]);
        assert!(filter(vec![hierarchy(&["devices"]), hierarchy(&[])]).is_ok());
        let kind = |result: Result<()>| result.expect_err("a failure").kind();
        assert_eq!(kind(filter(vec![hierarchy(&["memory"]), hierarchy(&[])])), ErrorKind::NotFound);
        assert_eq!(kind(filter(vec![hierarchy(&["memory"])])), ErrorKind::Unsupported);
    }

    #[test]
    fn a_folder_that_is_no_cgroup_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = filter(&Folder::new(folder.path()), &[]).expect_err("no cgroup");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(folder.path().to_str().expect("text")), "{error}");
    }

    /// Tries each access to three devices that do nothing, and says which are not permitted.
    const TRY: &str = r#"
        tried() { case "$3" in *"not permitted"*) echo "$1 $2 denied";; *) echo "$1 $2 allowed";; esac; }
        for device in 1:3 1:5 1:7; do
            node=$FOLDER/$device
            tried $device m "$(mknod $FOLDER/made c ${device%:*} ${device#*:} 2>&1)"
            rm -f $FOLDER/made
            tried $device r "$( (: < $node) 2>&1)"
            tried $device w "$( (: > $node) 2>&1)"
            tried $device rw "$( (: <> $node) 2>&1)"
        done
        rm -f $FOLDER/block
        tried block m "$(mknod $FOLDER/block b 7 0 2>&1)"
    "#;

    /// What the kernel allows a process in a cgroup with rules; `None` where it lets nobody try.
    fn tried(rules: Option<&[Rule]>) -> Option<String> {
        let mut private = Private::new(Version::Two)?;
        let folder = tempfile::tempdir().expect("a folder");
        for minor in [3, 5, 7] {
            let device = rustix::fs::makedev(1, minor);
            let (path, mode) = (folder.path().join(format!("1:{minor}")), rustix::fs::Mode::from(0o666));
            let made = rustix::fs::mknodat(
                rustix::fs::CWD,
                path,
                rustix::fs::FileType::CharacterDevice,
                mode,
                device,
            );
            if let Err(error) = made {
                eprintln!("skipped: no device can be made here: {error}");
                return None;
            }
        }
        match rules.map(|rules| private.cgroup.filter_devices(rules)) {
            Some(Err(error)) if error.kind() == ErrorKind::Unsupported => {
                eprintln!("skipped: {error}");
                return None;
            }
            filtered => filtered.transpose().expect("a filter"),
        };
        Some(private.run(&format!("FOLDER={}\n{TRY}", folder.path().display())))
    }

    #[test]
    fn the_kernel_denies_what_the_rules_deny() {
        // Without a filter all is allowed; elsewhere this machine cannot tell what a filter does.
        match tried(None) {
            Some(free) if !free.contains("denied") => {}
            other => return eprintln!("skipped: something else limits devices here: {other:?}"),
        }
        let rules =
            rules(["- a *:* rwm", "+ c *:* m", "+ c 1:3 rwm", "+ c 1:5 r", "+ c 1:7 rw", "- c 1:7 w"]);
        let Some(seen) = tried(Some(&rules)) else { return };
        let expected = "1:3 m allowed\n1:3 r allowed\n1:3 w allowed\n1:3 rw allowed\n\
                        1:5 m allowed\n1:5 r allowed\n1:5 w denied\n1:5 rw denied\n\
                        1:7 m allowed\n1:7 r allowed\n1:7 w denied\n1:7 rw denied\n\
                        block m denied\n";
        assert_eq!(seen, expected);
        let nothing = tried(Some(&[])).expect("as before");
        assert!(!nothing.contains("allowed"), "{nothing}");
    }
}
