//! The macro behind the table of methods: from a row to a struct, its numbers, how it is read,
//! written, printed and understood as text.

/// Declares classes and methods; see `methods.rs` for the rows. `[u16] { … } [bool]` are reserved
/// fields before and behind the others: they are skipped, and written as nothing.
macro_rules! methods {
    ($(
        $(#[$class_doc:meta])*
        $class_id:literal $Class:ident $class:ident {
            $(
                $(#[$doc:meta])*
                $id:literal $text:literal $Name:ident
                [$($lead:ty),*] { $($field:ident: $type:ty),* } [$($trail:ty),*]
            )*
        }
    )*) => {
        $(
            $(#[$class_doc])*
            pub mod $class {
                use super::*;

                $(
                    $(#[$doc])*
                    #[derive(Clone, Debug, Default, PartialEq)]
                    pub struct $Name {
                        $(
                            #[doc = concat!("`", stringify!($field), "` of the specification.")]
                            pub $field: $type,
                        )*
                    }

                    impl $Name {
                        #[doc = concat!("The numbers of ", $text, ".")]
                        pub const ID: MethodId = MethodId { class: $class_id, method: $id };

                        #[allow(unused_variables, reason = "some methods have no arguments")]
                        pub(super) fn read(reader: &mut ArgumentReader<'_>) -> Result<Self, WireError> {
                            $(<$lead as Argument>::read(reader)?;)*
                            $(let $field = <$type as Argument>::read(reader)?;)*
                            $(<$trail as Argument>::read(reader)?;)*
                            Ok(Self { $($field),* })
                        }

                        #[allow(unused_variables, reason = "some methods have no arguments")]
                        pub(super) fn write(&self, writer: &mut ArgumentWriter<'_>) {
                            $(<$lead>::default().write(writer);)*
                            $(self.$field.write(writer);)*
                            $(<$trail>::default().write(writer);)*
                        }

                        #[allow(unused_variables, reason = "some methods have no arguments")]
                        pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                            $(text::show_argument(f, stringify!($field), &self.$field)?;)*
                            Ok(())
                        }

                        #[allow(unused_mut, reason = "some methods have no arguments")]
                        pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Self, TextError> {
                            let mut method = Self::default();
                            while let Some(name) = scanner.argument_name()? {
                                match name {
                                    $(stringify!($field) => {
                                        method.$field = Text::parse(scanner)?;
                                    })*
                                    other => return Err(TextError::unknown(other)),
                                }
                            }
                            Ok(method)
                        }
                    }

                    impl From<$Name> for super::Method {
                        fn from(method: $Name) -> Self {
                            Self::$Class(Method::$Name(method))
                        }
                    }
                )*

                /// A method of this class.
                #[derive(Clone, Debug, PartialEq)]
                pub enum Method {
                    $($(#[$doc])* $Name($Name),)*
                }

                impl From<Method> for super::Method {
                    fn from(method: Method) -> Self {
                        Self::$Class(method)
                    }
                }
            }
        )*

        /// A method with its arguments.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Method {
            $($(#[$class_doc])* $Class($class::Method),)*
        }

        impl Method {
            /// Its numbers.
            pub fn id(&self) -> MethodId {
                match self {
                    $($(Self::$Class($class::Method::$Name(_)) => $class::$Name::ID,)*)*
                }
            }

            /// Its name: `queue.declare`.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(Self::$Class($class::Method::$Name(_)) => $text,)*)*
                }
            }

            /// Reads a method frame's payload.
            ///
            /// # Errors
            ///
            /// 501 for a payload without numbers, 503 for numbers that are no method's, 501 for
            /// arguments that are cut short and names that are not UTF-8, 502 for tables that are
            /// none. All but the first name the method.
            pub fn decode(payload: &[u8]) -> Result<Self, WireError> {
                let id = MethodId::of(payload)?;
                Self::decode_arguments(id, Reader::new(&payload[4..]))
                    .map_err(|error| WireError { method: Some(id), ..error })
            }

            fn decode_arguments(id: MethodId, reader: Reader<'_>) -> Result<Self, WireError> {
                let mut arguments = ArgumentReader::new(reader);
                let method = match (id.class, id.method) {
                    $($(($class_id, $id) => $class::$Name::read(&mut arguments)?.into(),)*)*
                    _ => return Err(unknown_method(id)),
                };
                arguments.end()?;
                Ok(method)
            }

            /// Writes a method frame's payload.
            pub fn encode(&self, out: &mut Vec<u8>) {
                let MethodId { class, method } = self.id();
                out.extend_from_slice(&class.to_be_bytes());
                out.extend_from_slice(&method.to_be_bytes());
                let mut writer = ArgumentWriter::new(out);
                match self {
                    $($(Self::$Class($class::Method::$Name(method)) => {
                        method.write(&mut writer);
                    })*)*
                }
            }
        }

        impl fmt::Display for Method {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())?;
                match self {
                    $($(Self::$Class($class::Method::$Name(method)) => method.show(f),)*)*
                }
            }
        }

        impl FromStr for Method {
            type Err = TextError;

            fn from_str(line: &str) -> Result<Self, TextError> {
                let mut scanner = Scanner::new(line);
                match scanner.word() {
                    $($($text => Ok($class::$Name::parse(&mut scanner)?.into()),)*)*
                    other => Err(TextError::unknown(other)),
                }
            }
        }

        /// All methods, in the order of the specification.
        pub const METHODS: &[MethodInfo] = &[
            $($(MethodInfo { id: $class::$Name::ID, name: $text },)*)*
        ];
    };
}

pub(super) use methods;
