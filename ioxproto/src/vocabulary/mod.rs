//! The words of system events: controls, actions and lifecycle verbs, each with its code on the
//! wire and a stable label.
//!
//! A control that begins with `_` is a system control. Codes of newer firmware become
//! [`Code::Unknown`] with their text. The ids of properties (`ST`, `GV1`) are an open set and stay
//! text.
//!
//! ```
//! use ioxproto::vocabulary::{Code, Lifecycle, SystemControl, describe};
//!
//! assert_eq!(SystemControl::SystemStatus.code(), "_5");
//! assert_eq!(SystemControl::SystemStatus.label(), "system_status");
//! assert_eq!(Code::<Lifecycle>::of("WH").label(), "pending_device_op");
//! assert_eq!(Code::<Lifecycle>::of("ZZ"), Code::Unknown("ZZ"));
//! assert_eq!(describe("_5", "1"), "system_status = busy");
//! assert_eq!(describe("_99", "x"), "_99 = x");
//! ```

mod actions;
mod command;
mod control;
mod lifecycle;

use std::fmt;

pub use self::actions::{
    Dotted, InternetAction, RadioCategory, SystemAction, SystemConfigAction, SystemStatusAction,
    TriggerAction,
};
pub use self::command::CommandWord;
pub use self::control::{SystemControl, describe};
pub use self::lifecycle::{Lifecycle, LifecycleSubject};

/// A closed list of codes with labels.
pub trait Word: Copy + Eq + fmt::Debug + 'static {
    /// All that are known, in the order of their declaration.
    const ALL: &'static [Self];

    /// The code on the wire.
    fn code(self) -> &'static str;

    /// The label: `snake_case`, stable, unique in its list.
    fn label(self) -> &'static str;

    /// The word with this code, if it is known.
    #[must_use]
    fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.code() == code)
    }
}

/// A code: known, or unknown and kept as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a code is known or it is not, by definition"
)]
pub enum Code<'a, W> {
    /// A code in the list.
    Known(W),
    /// A code that is not in the list, verbatim.
    Unknown(&'a str),
}

impl<'a, W: Word> Code<'a, W> {
    /// Looks a code up.
    #[must_use]
    pub fn of(code: &'a str) -> Self {
        W::of(code).map_or(Self::Unknown(code), Self::Known)
    }

    /// The word, if it is known.
    #[must_use]
    pub fn known(self) -> Option<W> {
        match self {
            Self::Known(word) => Some(word),
            Self::Unknown(_) => None,
        }
    }

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> &'a str {
        match self {
            Self::Known(word) => word.code(),
            Self::Unknown(text) => text,
        }
    }

    /// The word's label, or the text of an unknown one.
    #[must_use]
    pub fn label(self) -> &'a str {
        match self {
            Self::Known(word) => word.label(),
            Self::Unknown(text) => text,
        }
    }
}

impl<W: Word> fmt::Display for Code<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// Declares a list of words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* #[doc = concat!("\n\n`", $code, "`, labelled `", $label, "`.")] $variant,)+
        }

        impl $name {
            /// All that are known, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code and label of each, in the same order.
            pub const CODES: &'static [(&'static str, &'static str)] = &[$(($code, $label)),+];

            /// The code on the wire.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The label: `snake_case`, stable, unique in its list.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// The word with this code, if it is known.
            #[must_use]
            pub fn of(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl $crate::vocabulary::Word for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn code(self) -> &'static str {
                self.code()
            }

            fn label(self) -> &'static str {
                self.label()
            }

            fn of(code: &str) -> Option<Self> {
                Self::of(code)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.label())
            }
        }
    };
}
pub(crate) use words;
