/// A kind of object, and where the API server has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    ConfigMap,
    CronJob,
    Deployment,
    Event,
    Job,
    Pod,
    PodDisruptionBudget,
    Secret,
    Service,
}

/// A folder of what belongs to no namespace.
pub(crate) const NAMESPACES: &str = "/api/v1/namespaces";
pub(crate) const NODES: &str = "/api/v1/nodes";
pub(crate) const RUNTIME_CLASSES: &str = "/apis/node.k8s.io/v1/runtimeclasses";

/// How what has made nothing is deleted.
pub(crate) const BACKGROUND: &str = "Background";

impl Kind {
    /// All objects of a namespace.
    pub(crate) fn collection(self, namespace: &str) -> String {
        let (group, plural) = match self {
            Self::ConfigMap => ("api/v1", "configmaps"),
            Self::CronJob => ("apis/batch/v1", "cronjobs"),
            Self::Deployment => ("apis/apps/v1", "deployments"),
            Self::Event => ("api/v1", "events"),
            Self::Job => ("apis/batch/v1", "jobs"),
            Self::Pod => ("api/v1", "pods"),
            Self::PodDisruptionBudget => ("apis/policy/v1", "poddisruptionbudgets"),
            Self::Secret => ("api/v1", "secrets"),
            Self::Service => ("api/v1", "services"),
        };
        format!("/{group}/namespaces/{namespace}/{plural}")
    }

    /// When it goes: what makes others goes after them, so that whoever sees it gone sees none of those either.
    pub(crate) fn propagation(self) -> &'static str {
        match self {
            Self::CronJob | Self::Deployment | Self::Job => "Foreground",
            _ => BACKGROUND,
        }
    }

    /// The `apiVersion` and `kind` of its manifests.
    pub(crate) fn header(self) -> (&'static str, &'static str) {
        match self {
            Self::ConfigMap => ("v1", "ConfigMap"),
            Self::CronJob => ("batch/v1", "CronJob"),
            Self::Deployment => ("apps/v1", "Deployment"),
            Self::Event => ("v1", "Event"),
            Self::Job => ("batch/v1", "Job"),
            Self::Pod => ("v1", "Pod"),
            Self::PodDisruptionBudget => ("policy/v1", "PodDisruptionBudget"),
            Self::Secret => ("v1", "Secret"),
            Self::Service => ("v1", "Service"),
        }
    }
}
