//! The status codes, from the one table in `ffi/status_table.rs`.

macro_rules! statuses {
    ($($code:literal, $constant:ident, $variant:ident, $name:literal, $category:literal, $meaning:literal, $help:literal;)*) => {
        /// What a call or a task came to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum Status {
            $(#[doc = $meaning] $variant = $code,)*
        }

        impl Status {
            /// Every status, in the table's order.
            pub const ALL: &'static [Status] = &[$(Status::$variant),*];

            /// The name that a program branches on, such as `SignIn.Refused`.
            pub fn name(self) -> &'static str {
                match self { $(Status::$variant => $name,)* }
            }

            /// PowerShell's `ErrorCategory` for it.
            pub fn category(self) -> &'static str {
                match self { $(Status::$variant => $category,)* }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Status::$variant => $meaning,)* }
            }

            /// What to do, where the error itself does not say.
            pub fn help(self) -> &'static str {
                match self { $(Status::$variant => $help,)* }
            }

            /// The constant's name in the C header.
            pub fn constant(self) -> &'static str {
                match self { $(Status::$variant => stringify!($constant),)* }
            }
        }
    };
}

include!("ffi/status_table.rs");

impl Status {
    /// The number that crosses the C boundary.
    pub fn code(self) -> i32 {
        self as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_and_names_are_unique() {
        let codes: HashSet<_> = Status::ALL.iter().map(|s| s.code()).collect();
        let names: HashSet<_> = Status::ALL.iter().map(|s| s.name()).collect();
        assert_eq!(codes.len(), Status::ALL.len());
        assert_eq!(names.len(), Status::ALL.len());
    }

    #[test]
    fn every_error_says_what_to_do() {
        for status in Status::ALL {
            let help = status.help();
            assert_eq!(status.code() >= 100, help.ends_with('.'), "{status:?}: {help}");
        }
    }

    #[test]
    fn constants_carry_the_prefix() {
        assert!(Status::ALL.iter().all(|s| s.constant().starts_with("SSPR_STATUS_")));
    }
}
