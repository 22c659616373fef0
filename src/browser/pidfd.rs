//! What Linux remembers of a process that has ended and been collected, for whoever still holds a descriptor of it.

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use std::os::fd::OwnedFd;

/// `struct pidfd_info` of linux/pidfd.h, as it was first published (`PIDFD_INFO_SIZE_VER0`, 64 octets).
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid, and eight ids of users and groups.
    ids: [u32; 11],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`.
const EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`.
const GET_INFO: Opcode = opcode::read_write::<Info>(0xff, 11);

/// The status that its parent was given when it collected the process; `None` before that, and before Linux 6.15.
#[expect(unsafe_code, reason = "no library has a safe call for it, and nothing else tells how a browser ended")]
pub(super) fn collected_status(process: &OwnedFd) -> Option<i32> {
    let mut info = Info { mask: EXIT, ..Info::default() };
    // SAFETY: the call reads and writes one `struct pidfd_info`, and no more octets of it than its number carries, which is
    // made from `Info`; all its fields are plain numbers.
    unsafe { ioctl(process, Updater::<GET_INFO, Info>::new(&mut info)) }.ok()?;
    (info.mask & EXIT != 0).then_some(info.exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use std::process::{Command, ExitStatus, Stdio};

    /// How a process ended that was collected before it was asked about; `None` where this kernel does not say.
    fn ended(script: &str) -> Option<(i32, ExitStatus)> {
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().expect("starts");
        let pid = Pid::from_raw(child.id().cast_signed()).expect("a pid");
        let fd = pidfd_open(pid, PidfdFlags::empty()).expect("lives");
        assert_eq!(collected_status(&fd), None, "it lives");
        drop(child.stdin.take());
        let status = child.wait().expect("ends");
        Some((collected_status(&fd)?, status))
    }

    #[test]
    fn the_status_outlives_the_process() {
        use std::os::unix::process::ExitStatusExt;
        for script in ["read x; kill -9 $$", "read x; exit 7", "read x; kill -TERM $$"] {
            if let Some((told, status)) = ended(script) {
                assert_eq!(told, status.into_raw(), "{script}");
            }
        }
    }
}
