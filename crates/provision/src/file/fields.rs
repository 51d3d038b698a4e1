//! The declaration of a map's fields: once, for decoding and for describing.

/// Makes a struct with each field of a map as it is written, `None` where it is not, and the map's [`Shape`](super::shape::Shape). A field that is
/// decoded and not declared is none of the struct; one that is declared and not decoded is never read: neither compiles under the gate's lints.
///
/// A line is the name in the file, the one in the struct, whether it must be there, its kind, and what it means.
macro_rules! fields {
    (
        $(#[$doc:meta])*
        struct $name:ident {
            $( $key:literal $field:ident $need:expr, $kind:expr, $about:expr; )*
        }
        $( gone { $( $old:literal $instead:expr; )* } )?
    ) => {
        $(#[$doc])*
        pub(super) struct $name {
            $( pub(super) $field: Option<$crate::file::tree::Node>, )*
        }

        impl $name {
            pub(super) const SHAPE: $crate::file::shape::Shape = $crate::file::shape::Shape {
                fields: &[ $( $crate::file::shape::Field { name: $key, need: $need, kind: $kind, about: $about } ),* ],
                gone: &[ $( $( ($old, $instead) ),* )? ],
            };

            /// The fields as written. What is unknown or missing is reported.
            pub(super) fn of(node: $crate::file::tree::Node, what: &str, out: &mut $crate::file::findings::Findings) -> Self {
                let mut taken = $crate::file::taken::Taken::of(node, what, &Self::SHAPE, out);
                Self { $( $field: taken.take($key), )* }
            }
        }
    };
}

pub(super) use fields;
