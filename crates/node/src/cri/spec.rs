//! What a container in a pod is to be.

use std::collections::HashMap;
use std::path::Path;

use k8s_cri::v1::security_profile::ProfileType;
use k8s_cri::v1::{
    Capability, ContainerConfig, ContainerMetadata, ImageSpec, Int64Value, KeyValue, LinuxContainerConfig,
    LinuxContainerResources, LinuxContainerSecurityContext, Mount, NamespaceOption, SecurityProfile,
};

use crate::error::{Error, ErrorKind, Result};
use crate::image::{Image, unique};
use crate::mount::Access;
use crate::oci::{MASKED, READ_ONLY};
use crate::resources::Resources;

/// A container to be made in a pod; everything but the name and the image has a default.
#[derive(Clone, Debug)]
pub struct CriContainerSpec {
    pub(super) image: Image,
    name: String,
    command: Vec<String>,
    args: Vec<String>,
    env: Vec<KeyValue>,
    cwd: Option<String>,
    mounts: Vec<Mount>,
    resources: Resources,
    has_no_swap: bool,
    cpus: String,
    unified: HashMap<String, String>,
    security: LinuxContainerSecurityContext,
    has_terminal: bool,
}

impl CriContainerSpec {
    /// A container of `image`, as its image describes it.
    pub fn new(name: impl Into<String>, image: &Image) -> Self {
        let security = LinuxContainerSecurityContext {
            masked_paths: MASKED.map(str::to_owned).into(),
            readonly_paths: READ_ONLY.map(str::to_owned).into(),
            ..LinuxContainerSecurityContext::default()
        };
        Self {
            image: image.clone(),
            name: name.into(),
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            mounts: Vec::new(),
            resources: Resources::default(),
            has_no_swap: false,
            cpus: String::new(),
            unified: HashMap::new(),
            security,
            has_terminal: false,
        }
    }

    /// The image that it is made from.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The command, in place of the image's entrypoint and its arguments.
    #[must_use]
    pub fn command<A: Into<String>>(mut self, command: impl IntoIterator<Item = A>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// The arguments, in place of the image's.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// One more environment variable; it wins over the image's.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(KeyValue { key: name.into(), value: value.into() });
        self
    }

    /// The working directory, in place of the image's.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<String>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// One more folder or file of this machine, to be seen at `target`.
    #[must_use]
    pub fn mount(mut self, source: &Path, target: &str, access: Access) -> Self {
        self.mounts.push(Mount {
            host_path: source.display().to_string(),
            container_path: target.into(),
            readonly: access == Access::Read,
            ..Mount::default()
        });
        self
    }

    /// The user and group, in place of the image's.
    #[must_use]
    pub fn user(mut self, user: u32, group: u32) -> Self {
        self.security.run_as_user = Some(Int64Value { value: user.into() });
        self.security.run_as_group = Some(Int64Value { value: group.into() });
        self
    }

    /// The memory limit in bytes; without it there is none.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.resources.memory = Some(bytes);
        self
    }

    /// No more memory than the limit also where the machine has swap, as the kubelet asks for.
    #[must_use]
    pub fn no_swap(mut self) -> Self {
        self.has_no_swap = true;
        self
    }

    /// At most `quota` microseconds of CPU time in each `period` microseconds.
    #[must_use]
    pub fn cpu(mut self, quota: i64, period: u64) -> Self {
        self.resources.cpu_quota = Some(quota);
        self.resources.cpu_period = Some(period);
        self
    }

    /// The weight of its claim to busy CPUs: 1024 for each CPU requested.
    #[must_use]
    pub fn cpu_shares(mut self, shares: u64) -> Self {
        self.resources.cpu_shares = Some(shares);
        self
    }

    /// The only processors that it may use, as a list of their numbers like `0,2-3`.
    #[must_use]
    pub fn cpus(mut self, cpus: impl Into<String>) -> Self {
        self.cpus = cpus.into();
        self
    }

    /// What a file of its cgroup is to say, of those that only cgroup v2 has: `memory.oom.group` and others.
    #[must_use]
    pub fn cgroup_file(mut self, file: &str, content: &str) -> Self {
        self.unified.insert(file.into(), content.into());
        self
    }

    /// Makes its root filesystem one that cannot be written.
    #[must_use]
    pub fn read_only_root(mut self) -> Self {
        self.security.readonly_rootfs = true;
        self
    }

    /// One more capability than the runtime's default, for example `NET_ADMIN`.
    #[must_use]
    pub fn add_capability(mut self, name: &str) -> Self {
        self.capabilities().add_capabilities.push(name.into());
        self
    }

    /// One capability less, for example `CHOWN`, or `ALL`.
    #[must_use]
    pub fn drop_capability(mut self, name: &str) -> Self {
        self.capabilities().drop_capabilities.push(name.into());
        self
    }

    /// Filters its system calls by the runtime's default profile.
    #[must_use]
    pub fn seccomp_default(mut self) -> Self {
        self.security.seccomp = Some(profile(ProfileType::RuntimeDefault));
        self
    }

    /// Filters none of its system calls, which is also what happens if nothing is said.
    #[must_use]
    pub fn seccomp_unconfined(mut self) -> Self {
        self.security.seccomp = Some(profile(ProfileType::Unconfined));
        self
    }

    /// Keeps its processes from gaining rights, for example by setuid programs.
    #[must_use]
    pub fn no_new_privileges(mut self) -> Self {
        self.security.no_new_privs = true;
        self
    }

    /// Gives it a terminal: then all output is on stdout.
    #[must_use]
    pub fn tty(mut self) -> Self {
        self.has_terminal = true;
        self
    }

    /// CRI's form of it, in a pod with these namespaces.
    pub(super) fn config(&self, namespaces: NamespaceOption) -> Result<ContainerConfig> {
        let image = self.image.name().to_owned();
        let security_context =
            LinuxContainerSecurityContext { namespace_options: Some(namespaces), ..self.security.clone() };
        let limits = limits(&self.resources)?;
        let resources = LinuxContainerResources {
            cpuset_cpus: self.cpus.clone(),
            unified: self.unified.clone(),
            // Of both together, as in the OCI runtime spec; 0 says nothing.
            memory_swap_limit_in_bytes: if self.has_no_swap { limits.memory_limit_in_bytes } else { 0 },
            ..limits
        };
        Ok(ContainerConfig {
            metadata: Some(ContainerMetadata { name: self.name.clone(), attempt: 0 }),
            image: Some(ImageSpec { user_specified_image: image.clone(), image, ..ImageSpec::default() }),
            command: self.command.clone(),
            args: self.args.clone(),
            working_dir: self.cwd.clone().unwrap_or_default(),
            envs: self.env.clone(),
            mounts: self.mounts.clone(),
            // A name may be used again after a container was deleted, but not for a new container's log.
            log_path: format!("{}.log", unique(&self.name)),
            tty: self.has_terminal,
            linux: Some(LinuxContainerConfig {
                resources: Some(resources),
                security_context: Some(security_context),
            }),
            ..ContainerConfig::default()
        })
    }

    fn capabilities(&mut self) -> &mut Capability {
        self.security.capabilities.get_or_insert_default()
    }
}

/// CRI's form of limits. Its numbers are signed, and no machine reaches the largest.
pub(super) fn limits(resources: &Resources) -> Result<LinuxContainerResources> {
    let Resources { memory, cpu_quota, cpu_period, cpu_shares, pids } = *resources;
    if pids.is_some() {
        let message = "CRI has no limit of processes for a container: leave `pids` out, or use the task API";
        return Err(Error::new(ErrorKind::Spec, message));
    }
    let signed = |number: Option<u64>| i64::try_from(number.unwrap_or_default()).unwrap_or(i64::MAX);
    Ok(LinuxContainerResources {
        cpu_quota: cpu_quota.unwrap_or_default(),
        cpu_period: signed(cpu_period),
        cpu_shares: signed(cpu_shares),
        memory_limit_in_bytes: signed(memory),
        ..LinuxContainerResources::default()
    })
}

fn profile(kind: ProfileType) -> SecurityProfile {
    SecurityProfile { profile_type: kind.into(), localhost_ref: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Process;

    fn config(describe: impl FnOnce(CriContainerSpec) -> CriContainerSpec) -> ContainerConfig {
        let spec = CriContainerSpec::new("c", &Image::fake(Process::default()));
        describe(spec).config(NamespaceOption::default()).expect("a description")
    }

    #[test]
    fn never_writes_two_logs_into_one_file() {
        assert_ne!(config(|spec| spec).log_path, config(|spec| spec).log_path);
    }

    #[test]
    fn refuses_a_limit_that_cri_has_no_word_for() {
        let error = limits(&Resources { pids: Some(7), ..Resources::default() }).expect_err("no such word");
        assert_eq!(error.kind(), &ErrorKind::Spec);
        let limits = limits(&Resources { memory: Some(9), ..Resources::default() }).expect("limits");
        assert_eq!((limits.memory_limit_in_bytes, limits.cpu_quota), (9, 0), "0 is what is not named");
    }

    #[test]
    fn hides_the_kernels_files_as_kubelet_does() {
        let security = config(|spec| spec).linux.expect("settings").security_context.expect("a context");
        assert!(security.masked_paths.contains(&"/proc/kcore".into()), "{:?}", security.masked_paths);
        assert!(security.readonly_paths.contains(&"/proc/sys".into()), "{:?}", security.readonly_paths);
    }
}
