use crate::named::named;

named! {
    /// Where a case is played.
    Level: "driver" {
        /// An engine by itself, in a child process.
        Engine = "engine",
        /// A container of containerd's task service, the path of `ctr` and Docker.
        Task = "task",
        /// A container in a pod of CRI, the path of the kubelet.
        Cri = "cri",
        /// A pod of a Kubernetes, over its API server.
        Kube = "kube",
    }
}
