//! Names of layers, after the modules of the network that was exported.

use super::proto::NodeProto;

/// Under this key PyTorch's newer exporter notes the modules that a node lies in.
const SCOPES: &str = "pkg.torch.onnx.name_scopes";

/// The name of a node for messages.
pub(crate) fn of_node(node: &NodeProto) -> String {
    match (node.name.as_str(), node.output.first()) {
        ("", Some(output)) => output.clone(),
        (name, _) => name.to_owned(),
    }
}

/// The name of a layer made from `node`: that of the module that holds `weight`, else of the module
/// that the node lies in, else the node's own.
pub(crate) fn of_layer(node: &NodeProto, weight: Option<&str>) -> String {
    if let Some(module) = weight.and_then(|w| w.strip_suffix(".weight")).filter(|m| !m.is_empty()) {
        return module.to_owned();
    }
    let scopes = node.metadata_props.iter().find(|p| p.key == SCOPES).map(|p| modules(&p.value));
    match scopes.flatten().or_else(|| path(&node.name)) {
        Some(module) => module,
        None => of_node(node).trim_start_matches('/').to_owned(),
    }
}

/// The name of a layer whose weights are input 1 of `node`.
pub(crate) fn of_weighted_layer(node: &NodeProto) -> String {
    of_layer(node, node.input.get(1).map(String::as_str))
}

/// The last module in `['', 'block', 'block.act', 'add_1']`: the last entry is the operation
/// itself.
fn modules(list: &str) -> Option<String> {
    let mut names = list.trim_matches(['[', ']']).split(',').map(|n| n.trim().trim_matches(['\'', '"']));
    names.next_back();
    names.next_back().filter(|n| !n.is_empty()).map(str::to_owned)
}

/// The module in `/block/act/Add_1`; children of containers repeat their parent's name:
/// `/block/block.0/Conv`.
fn path(name: &str) -> Option<String> {
    let mut parts: Vec<&str> = name.strip_prefix('/')?.split('/').collect();
    parts.pop();
    let mut module = String::new();
    for part in parts {
        let last = module.rsplit('.').next().unwrap_or_default();
        module = match part.strip_prefix(last).and_then(|p| p.strip_prefix('.')) {
            Some(child) if !last.is_empty() => format!("{module}.{child}"),
            _ if module.is_empty() => part.to_owned(),
            _ => format!("{module}.{part}"),
        };
    }
    Some(module).filter(|m| !m.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_called_after_their_modules() {
        let node = |name: &str| NodeProto { name: name.into(), ..NodeProto::default() };
        for (name, expected) in [
            ("/act1/Add_1", "act1"),
            ("/down/act2/Mul", "down.act2"),
            ("/down/shortcut/shortcut.0/Conv", "down.shortcut.0"),
            ("/features/features.2/AveragePool", "features.2"),
            ("/Add_1", "Add_1"),
            ("node_add", "node_add"),
        ] {
            assert_eq!(of_layer(&node(name), None), expected, "{name}");
        }
        assert_eq!(of_layer(&node("x"), Some("features.0.weight")), "features.0");
        assert_eq!(of_layer(&node("/fc/MatMul"), Some("onnx::MatMul_40")), "fc");
        assert_eq!(modules("['', 'down', 'down.act1', 'pow_3']").as_deref(), Some("down.act1"));
        assert_eq!(modules("['', 'mul']"), None);
    }
}
