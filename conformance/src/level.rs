use crate::named::named;

named! {
    /// Where a case is played.
    Level: "driver" {
        /// An engine by itself, in a child process.
        Engine = "engine",
        /// A container of containerd's task service, the path of `ctr`.
        Task = "task",
        /// A container in a pod of CRI, the path of the kubelet.
        Cri = "cri",
        /// A pod of a Kubernetes, over its API server.
        Kube = "kube",
        /// A container of Docker, the path of `docker run`.
        Docker = "docker",
    }
}

impl Level {
    /// Those that are played where none is named: the others take programs that not everybody has.
    pub const USUAL: [Self; 3] = [Self::Engine, Self::Task, Self::Cri];

    /// Those that play containers under a shim.
    pub(crate) const OF_SHIMS: [Self; 3] = [Self::Task, Self::Cri, Self::Docker];
}
