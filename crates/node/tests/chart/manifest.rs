//! Manifests, held to the types of Kubernetes' API.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ResourceQuota, Service, ServiceAccount};
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object as it was rendered.
#[derive(Clone, Debug)]
pub(crate) struct Manifest(pub(crate) Value);

/// The objects of a stream of YAML.
#[track_caller]
pub(crate) fn all(yaml: &str) -> Vec<Manifest> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error} in {yaml}"));
    documents.into_iter().filter(|document| !document.is_null()).map(Manifest).collect()
}

/// The first one of a kind.
#[track_caller]
pub(crate) fn find<'m>(manifests: &'m [Manifest], kind: &str) -> &'m Manifest {
    manifests.iter().find(|manifest| manifest.kind() == kind).unwrap_or_else(|| panic!("no {kind}"))
}

impl Manifest {
    pub(crate) fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Whether its type has every field that it has, and it every field that its type must have.
    pub(crate) fn check(&self) -> Result<(), String> {
        let typed = match (self.0["apiVersion"].as_str().unwrap_or_default(), self.kind()) {
            ("v1", "ConfigMap") => {
                self.typed::<ConfigMap>().and_then(|typed| self.embedded().map(|()| typed))
            }
            ("v1", "Pod") => self.typed::<Pod>(),
            ("v1", "ResourceQuota") => self.typed::<ResourceQuota>(),
            ("v1", "ServiceAccount") => self.typed::<ServiceAccount>(),
            ("v1", "Service") => self.typed::<Service>(),
            ("apps/v1", "DaemonSet") => self.typed::<DaemonSet>(),
            ("apps/v1", "Deployment") => self.typed::<Deployment>(),
            ("batch/v1", "Job") => self.typed::<Job>(),
            ("node.k8s.io/v1", "RuntimeClass") => self.typed::<RuntimeClass>(),
            ("rbac.authorization.k8s.io/v1", "ClusterRole") => self.typed::<ClusterRole>(),
            ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => self.typed::<ClusterRoleBinding>(),
            ("rbac.authorization.k8s.io/v1", "Role") => self.typed::<Role>(),
            ("rbac.authorization.k8s.io/v1", "RoleBinding") => self.typed::<RoleBinding>(),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy") => {
                self.typed::<ValidatingAdmissionPolicy>()
            }
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding") => {
                self.typed::<ValidatingAdmissionPolicyBinding>()
            }
            (version, kind) => Err(format!("{version} {kind}: no type to hold it to")),
        };
        let difference = difference("", &self.0, &typed?);
        difference.map_or(Ok(()), |difference| Err(format!("{} {}{difference}", self.kind(), self.name())))
    }

    /// What is left of it when it has gone through its type.
    fn typed<T: DeserializeOwned + Serialize>(&self) -> Result<Value, String> {
        let typed: Result<T, _> = serde_json::from_value(self.0.clone());
        let typed = typed.map_err(|error| format!("{} {}: {error}", self.kind(), self.name()))?;
        serde_json::to_value(typed).map_err(|error| error.to_string())
    }

    /// The objects in the texts of a ConfigMap.
    fn embedded(&self) -> Result<(), String> {
        let data = self.0["data"].as_object().into_iter().flatten();
        for (name, text) in data.filter(|(name, _)| name.ends_with(".json")) {
            let object = serde_json::from_str(text.as_str().unwrap_or_default());
            Self(object.map_err(|error| format!("{name} is no JSON: {error}"))?).check()?;
        }
        Ok(())
    }
}

/// The first field that is in one and not in the other, or another one there.
fn difference(path: &str, given: &Value, typed: &Value) -> Option<String> {
    match (given, typed) {
        (Value::Object(given), Value::Object(typed)) => {
            let mut keys: Vec<_> = given.keys().chain(typed.keys()).collect();
            keys.sort();
            keys.into_iter().find_map(|key| match (given.get(key), typed.get(key)) {
                (Some(given), Some(typed)) => difference(&format!("{path}.{key}"), given, typed),
                (Some(_), None) => Some(format!("{path}.{key}: its type has no such field")),
                (None, _) => Some(format!("{path}.{key}: it is missing, and must be there")),
            })
        }
        (Value::Array(given), Value::Array(typed)) if given.len() == typed.len() => {
            let pairs = given.iter().zip(typed).enumerate();
            pairs
                .map(|(index, (given, typed))| difference(&format!("{path}[{index}]"), given, typed))
                .find_map(|it| it)
        }
        (given, typed) => (given != typed).then(|| format!("{path}: {given} is read as {typed}")),
    }
}

#[test]
fn names_the_field_that_a_type_does_not_have_and_the_one_that_it_misses() {
    let pod = |spec: &str| {
        all(&format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {spec}\n"))[0].check()
    };
    assert_eq!(pod("{containers: [{name: a, image: b}]}"), Ok(()));
    for (spec, path) in [
        ("{containers: [{name: a, imge: b}]}", "Pod a.spec.containers[0].imge:"),
        ("{container: [{name: a}]}", "Pod a.spec.container:"),
        ("{containers: [{image: b}]}", "Pod a.spec.containers[0].name:"),
        ("{containers: [{name: a, image: null}]}", "Pod a.spec.containers[0].image:"),
        ("{containers: [{name: a, env: {}}]}", "Pod a: invalid type"),
    ] {
        let error = pod(spec).expect_err(spec);
        assert!(error.starts_with(path), "{error}");
    }
}
