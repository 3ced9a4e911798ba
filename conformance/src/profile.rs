use crate::named::named;

named! {
    /// What a group of cases is about, and by what a run can be narrowed.
    Profile: "profile" {
        /// A container's life: arguments, environment, streams, exit codes, traps, signals, events, state.
        Core = "core",
        /// What WASI preview 1 promises a module.
        WasiP1 = "wasi-p1",
        /// Components with WASI 0.2.
        WasiP2 = "wasi-p2",
        /// Components with WASI 0.3: only what the official test suite has.
        WasiP3 = "wasi-p3",
        /// `wasi:http` servers and outbound requests.
        Http = "http",
        /// Sockets, by whatever interface the engine has them.
        Sockets = "sockets",
        /// Formats of images, and what is no program.
        Images = "images",
        /// Mounts, users and what a path may reach.
        Files = "files",
        /// Memory, processors and processes, and what happens at their limits.
        Limits = "limits",
        /// Native containers under the same shim.
        Sidecar = "sidecar",
        /// More processes in a running container.
        Exec = "exec",
        /// What people do with containers by Docker's commands.
        Docker = "docker",
        /// What is compiled, how often, and what of it is trusted.
        Cache = "cache",
        /// What of the host a guest may not see.
        Security = "security",
        /// Ends of shims and of containerd under running guests, and many guests at once.
        Resilience = "resilience",
        /// What Kubernetes makes of containers: scheduling, probes, logs, exec, jobs, limits, rollouts.
        Kubernetes = "kubernetes",
    }
}

named! {
    /// How binding a case is, in the words of RFC 2119.
    Keyword: "keyword" {
        /// Whoever breaks it does not conform.
        Must = "MUST",
        /// There may be reasons to break it; they have to be stated as a known failure.
        Should = "SHOULD",
    }
}
