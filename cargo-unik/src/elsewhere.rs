//! What runs an image where this tool is not: a systemd unit for QEMU, and the same machine for Firecracker and Cloud Hypervisor.
//!
//! Each is a text that names the image and its archive as they are called beside it. The two other hypervisors reach the network through
//! a tap device, so nothing that the manifest says about QEMU's user network is in theirs.

use serde_json::{Value, json};

use crate::error::Result;
use crate::guest::Guest;
use crate::options::Network;

/// The tap device that the files speak of.
pub const TAP: &str = "tap0";
/// The first address of a guest's cards, as [`Guest`] gives it.
const HARDWARE: &str = "52:54:00:12:34:56";
/// What systemd restricts: everything that a QEMU with user networking can do without. `MemoryDenyWriteExecute` is missing because
/// QEMU translates into such memory where there is no KVM. A `/dev/kvm` that does not work ends QEMU, so whether to take it is the
/// user's to say.
const RESTRICTIONS: &str = "\
# With KVM, replace '-accel tcg' above by '-accel kvm -cpu host', and take the signs off these lines.
#SupplementaryGroups=kvm
#DeviceAllow=/dev/kvm rw
DynamicUser=yes
DevicePolicy=closed
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
PrivateTmp=yes
PrivateMounts=yes
RemoveIPC=yes
UMask=0077
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
LimitCORE=0
";

/// The configuration of Firecracker, for `--config-file`.
pub fn firecracker(guest: &Guest) -> Value {
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let mut boot = json!({ "kernel_image_path": path(&guest.kernel), "boot_args": guest.cmdline });
    if let Some(initrd) = &guest.initrd {
        boot["initrd_path"] = json!(path(initrd));
    }
    let card = json!({ "iface_id": "net0", "guest_mac": HARDWARE, "host_dev_name": TAP });
    json!({
        "boot-source": boot,
        // It must be there, if only to say that there is none.
        "drives": [],
        "network-interfaces": if guest.networks.is_empty() { json!([]) } else { json!([card]) },
        "machine-config": { "vcpu_count": 1, "mem_size_mib": guest.memory.mebibytes() },
        "entropy": {},
    })
}

/// A script that starts Cloud Hypervisor.
pub fn cloud_hypervisor(guest: &Guest) -> String {
    let mut options = vec![format!("--kernel {}", guest.kernel.display())];
    options.extend(guest.initrd.as_ref().map(|initrd| format!("--initramfs {}", initrd.display())));
    if !guest.cmdline.is_empty() {
        options.push(format!("--cmdline '{}'", guest.cmdline.replace('\'', r"'\''")));
    }
    options.push(format!("--cpus boot=1 --memory size={}", guest.memory));
    if !guest.networks.is_empty() {
        options.push(format!("--net tap={TAP},mac={HARDWARE}"));
    }
    options.push("--rng src=/dev/urandom --serial tty --console off".to_owned());
    format!(
        "#!/bin/sh\n# Boots the image in this folder under Cloud Hypervisor.\n\
         cd \"$(dirname \"$0\")\" && exec cloud-hypervisor \\\n    {} \"$@\"\n",
        options.join(" \\\n    ")
    )
}

/// A unit of systemd that boots the image in `/usr/local/lib/unik/NAME` under QEMU.
///
/// # Errors
/// As for [`Guest::command`].
pub fn unit(name: &str, guest: &Guest) -> Result<String> {
    let command = guest.command()?;
    let mut line = format!("/usr/bin/{}", command.program.to_string_lossy());
    for argument in &command.arguments {
        // systemd.service(5): a percent sign and a dollar sign begin something unless they are doubled.
        let argument = argument.to_string_lossy().replace('%', "%%").replace('$', "$$");
        let quoted = argument.contains([' ', '"', '\'', ';']);
        let argument = argument.replace('\\', r"\\").replace('"', "\\\"");
        let separator = if argument.starts_with('-') { " \\\n    " } else { " " };
        line += &if quoted { format!("{separator}\"{argument}\"") } else { format!("{separator}{argument}") };
    }
    Ok(format!(
        "[Unit]\n\
         Description={name}, a unik appliance\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         StartLimitIntervalSec=60\n\
         StartLimitBurst=10\n\
         \n\
         [Service]\n\
         Type=exec\n\
         WorkingDirectory=/usr/local/lib/unik/{name}\n\
         ExecStart={line}\n\
         StandardInput=null\n\
         # QEMU exits with twice the image's code and one; 9 is a mistake in the configuration, which stays one. An image that\n\
         # ends by itself with 0 gives 1, as QEMU does where it cannot start: both are started again.\n\
         Restart=on-failure\n\
         RestartSec=1\n\
         RestartPreventExitStatus=9\n\
         TimeoutStopSec=15\n\
         # The machine's memory, and QEMU's own.\n\
         MemoryMax={}M\n\
         TasksMax=16\n\
         \n\
         {RESTRICTIONS}\n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        guest.memory.mebibytes() + 256
    ))
}

/// The same guest on a tap device.
pub fn on_tap(guest: &Guest, words: String) -> Guest {
    let networks = guest.networks.iter().take(1).map(|_| Network::Tap(TAP.to_owned())).collect();
    Guest { networks, forwards: Vec::new(), cmdline: words, ..guest.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Accelerator;

    fn guest() -> Guest {
        Guest {
            networks: vec![Network::User],
            accelerator: Accelerator::Tcg,
            cmdline: "net0.ip=10.0.2.15/24 motd=\"100% $5\"".to_owned(),
            initrd: Some("dns.cpio".into()),
            ..Guest::new("dns.elf")
        }
    }

    #[test]
    fn firecracker_is_told_only_what_it_knows() {
        let value = firecracker(&on_tap(&guest(), "log=debug".to_owned()));
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        // Firecracker refuses keys that it does not know; `drives` and `kernel_image_path` have no default.
        let expected = ["boot-source", "drives", "entropy", "machine-config", "network-interfaces"];
        assert_eq!(keys(&value), expected);
        assert_eq!(keys(&value["boot-source"]), ["boot_args", "initrd_path", "kernel_image_path"]);
        assert_eq!(keys(&value["machine-config"]), ["mem_size_mib", "vcpu_count"]);
        assert_eq!(keys(&value["network-interfaces"][0]), ["guest_mac", "host_dev_name", "iface_id"]);
        assert_eq!(value["boot-source"]["boot_args"], "log=debug");
        assert_eq!((&value["machine-config"]["mem_size_mib"], &value["drives"]), (&json!(64), &json!([])));
    }

    #[test]
    fn a_guest_without_network_and_files_asks_for_neither() {
        let value = firecracker(&Guest::new("hello.elf"));
        assert_eq!(value["network-interfaces"], json!([]));
        assert_eq!(value["boot-source"].get("initrd_path"), None);
        let script = cloud_hypervisor(&Guest::new("hello.elf"));
        assert!(
            !script.contains("--net") && !script.contains("--initramfs") && !script.contains("--cmdline")
        );
    }

    #[test]
    fn cloud_hypervisor_gets_the_same_machine() {
        let script = cloud_hypervisor(&on_tap(&guest(), "hostname=it's".to_owned()));
        assert!(
            script.contains("exec cloud-hypervisor \\\n    --kernel dns.elf \\\n    --initramfs dns.cpio")
        );
        assert!(script.contains(r"--cmdline 'hostname=it'\''s'"), "{script}");
        assert!(script.contains("--net tap=tap0,mac=52:54:00:12:34:56 "), "{script}");
    }

    #[test]
    fn a_unit_quotes_what_systemd_would_read_as_its_own() {
        let unit = unit("dns", &guest()).unwrap();
        assert!(unit.contains("ExecStart=/usr/bin/qemu-system-x86_64 \\\n    -nodefaults"), "{unit}");
        let words = r#"-append "net0.ip=10.0.2.15/24 motd=\"100%% $$5\"""#;
        assert!(unit.contains(words), "{unit}");
    }
}
