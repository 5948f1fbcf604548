//! The attributes of a node. One that is not known is refused, since it could change the
//! operation's meaning.

use super::proto::{AttributeProto, NodeProto, TensorProto};
use crate::error::{Checked, defect};

/// A node's attributes, all of them among those that its operator is known to have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(&'a [AttributeProto]);

impl<'a> Attributes<'a> {
    /// Refuses attributes that are not in `known`.
    pub(crate) fn of(node: &'a NodeProto, known: &[&str]) -> Checked<Self> {
        match node.attribute.iter().find(|a| !known.contains(&a.name.as_str())) {
            None => Ok(Self(&node.attribute)),
            Some(other) => defect(format!("the attribute `{}`", other.name), "export without it"),
        }
    }

    /// All of them, where another place has checked them or will.
    pub(crate) fn all(node: &'a NodeProto) -> Self {
        Self(&node.attribute)
    }

    fn get(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.iter().find(|a| a.name == name)
    }

    /// A whole number.
    pub(crate) fn int(self, name: &str, default: i64) -> i64 {
        self.get(name).map_or(default, |a| a.i)
    }

    /// A number.
    pub(crate) fn float(self, name: &str, default: f32) -> f32 {
        self.get(name).map_or(default, |a| a.f)
    }

    /// A list of whole numbers.
    pub(crate) fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.get(name).map(|a| a.ints.as_slice())
    }

    /// A list of numbers.
    pub(crate) fn floats(self, name: &str) -> Option<&'a [f32]> {
        self.get(name).map(|a| a.floats.as_slice())
    }

    /// A text.
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        self.get(name).map(|a| std::str::from_utf8(&a.s).unwrap_or("text that is not UTF-8"))
    }

    /// A list of texts.
    pub(crate) fn texts(self, name: &str) -> Vec<String> {
        let list = self.get(name).into_iter().flat_map(|a| &a.strings);
        list.map(|s| String::from_utf8_lossy(s).into_owned()).collect()
    }

    /// A tensor.
    pub(crate) fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        self.get(name).and_then(|a| a.t.as_ref())
    }

    /// Whether the attribute is there.
    pub(crate) fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }
}
