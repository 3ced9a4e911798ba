/// Declares an enum whose variants have fixed names on the command line and in reports.
macro_rules! named {
    ($(#[$doc:meta])* $kind:ident: $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize, serde::Serialize)]
        pub enum $kind {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)*
        }

        impl $kind {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the command line and in reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.name())
            }
        }

        impl std::str::FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> std::result::Result<Self, String> {
                let known = || Self::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
                let found = Self::ALL.iter().find(|one| one.name() == text).copied();
                found.ok_or_else(|| format!("`{text}` is no {}; there are {}", $what, known()))
            }
        }
    };
}

pub(crate) use named;
