//! Takes away the white space that tildes and tags on lines of their own take away.

use std::sync::Arc;

use crate::ast::{Block, Content, Node, Program, Strip};
use crate::number::is_space;

/// What a node does to its neighbours.
struct Effect {
    strip: Strip,
    open_alone: bool,
    close_alone: bool,
    inline_alone: bool,
}

pub(crate) fn control(program: &mut Program, is_root: bool) {
    let body = &mut program.body;
    for at in 0..body.len() {
        let Some(effect) = accept(&mut body[at]) else { continue };
        let before = is_white_before(body, at, is_root);
        let after = is_white_after(body, at + 1, is_root);
        if effect.strip.close {
            omit_right(body, at + 1, true);
        }
        if effect.strip.open {
            omit_left(body, at, true);
        }
        if effect.inline_alone && before && after {
            omit_right(body, at + 1, false);
            if omit_left(body, at, false) {
                let indent = match &body[at - 1] {
                    Node::Content(content) => {
                        let text = &content.text;
                        text[text.trim_end_matches([' ', '\t']).len()..].into()
                    }
                    _ => Box::default(),
                };
                if let Node::Partial(partial) = &mut body[at] {
                    partial.indent = indent;
                }
            }
        }
        if effect.open_alone && before {
            let (program, inverse) = halves(&mut body[at]);
            if let Some(first) = program.or(inverse) {
                omit_right(&mut first.body, 0, false);
            }
            omit_left(body, at, false);
        }
        if effect.close_alone && after {
            omit_right(body, at + 1, false);
            let (program, inverse) = halves(&mut body[at]);
            if let Some(last) = inverse.or(program) {
                let end = last.body.len();
                omit_left(&mut last.body, end, false);
            }
        }
    }
}

fn unique(program: &mut Option<Arc<Program>>) -> Option<&mut Program> {
    program.as_mut().and_then(Arc::get_mut)
}

fn halves(node: &mut Node) -> (Option<&mut Program>, Option<&mut Program>) {
    match node {
        Node::Block(block) => (unique(&mut block.program), unique(&mut block.inverse)),
        Node::Partial(partial) => (unique(&mut partial.fallback), None),
        _ => (None, None),
    }
}

fn accept(node: &mut Node) -> Option<Effect> {
    let plain = |strip| Effect { strip, open_alone: false, close_alone: false, inline_alone: false };
    match node {
        Node::Content(_) => None,
        Node::Mustache { strip, .. } | Node::Decorator { strip, .. } => Some(plain(*strip)),
        Node::Comment(strip) => Some(Effect { inline_alone: true, ..plain(*strip) }),
        Node::Block(block) => Some(accept_block(block)),
        Node::Partial(partial) => match unique(&mut partial.fallback) {
            None => Some(Effect { inline_alone: true, ..plain(partial.open) }),
            Some(program) => {
                control(program, false);
                let alone = (is_white_after(&program.body, 0, false), ends_white(program));
                if partial.open.close {
                    omit_right(&mut program.body, 0, true);
                }
                if partial.close.open {
                    trim_end(program, true);
                }
                let strip = Strip { open: partial.open.open, close: partial.close.close };
                Some(Effect { strip, open_alone: alone.0, close_alone: alone.1, inline_alone: false })
            }
        },
    }
}

fn accept_block(block: &mut Block) -> Effect {
    for half in [&mut block.program, &mut block.inverse] {
        if let Some(program) = unique(half) {
            control(program, false);
        }
    }
    let (program, mut inverse) = match unique(&mut block.program) {
        Some(program) => (Some(program), unique(&mut block.inverse)),
        None => (unique(&mut block.inverse), None),
    };
    let strip = Strip { open: block.open.open, close: block.close.close };
    let Some(program) = program else {
        return Effect { strip, open_alone: false, close_alone: false, inline_alone: false };
    };
    let open_alone = is_white_after(&program.body, 0, false);
    let close_alone = match &mut inverse {
        Some(inverse) => ends_white(first_inverse(inverse)),
        None => ends_white(program),
    };
    if block.open.close {
        omit_right(&mut program.body, 0, true);
    }
    if let Some(inverse) = inverse {
        let middle = block.middle.unwrap_or_default();
        if middle.open {
            trim_end(program, true);
        }
        if middle.close {
            omit_right(&mut first_inverse(inverse).body, 0, true);
        }
        if block.close.open {
            trim_end(last_inverse(inverse), true);
        }
        if ends_white(program) && is_white_after(&first_inverse(inverse).body, 0, false) {
            trim_end(program, false);
            omit_right(&mut first_inverse(inverse).body, 0, false);
        }
    } else if block.close.open {
        trim_end(program, true);
    }
    Effect { strip, open_alone, close_alone, inline_alone: false }
}

/// The program of the first `else if`, or the one of `else`.
fn first_inverse(inverse: &mut Program) -> &mut Program {
    if inverse.chained { chained_program(inverse) } else { inverse }
}

fn last_inverse(inverse: &mut Program) -> &mut Program {
    if inverse.chained { last_inverse(chained_program(inverse)) } else { inverse }
}

fn chained_program(inverse: &mut Program) -> &mut Program {
    let holds = matches!(inverse.body.last(), Some(Node::Block(block)) if block.program.is_some());
    if !holds {
        return inverse;
    }
    match inverse.body.last_mut() {
        Some(Node::Block(block)) => {
            unique(&mut block.program).expect("the block has a program, which nothing else holds while it is read")
        }
        _ => unreachable!("the last node was seen to be a block"),
    }
}

fn ends_white(program: &Program) -> bool {
    is_white_before(&program.body, program.body.len(), false)
}

fn trim_end(program: &mut Program, multiple: bool) {
    let end = program.body.len();
    omit_left(&mut program.body, end, multiple);
}

/// Whether a line ends before the node, with nothing but white space between.
fn is_white_before(body: &[Node], at: usize, is_root: bool) -> bool {
    let Some(before) = at.checked_sub(1) else { return is_root };
    let Some(Node::Content(Content { text, .. })) = body.get(before) else { return false };
    let white = &text[text.trim_end_matches(is_space).len()..];
    white.contains('\n') || (is_root && before == 0 && white.len() == text.len())
}

/// Whether the line ends at or in the node, with nothing but white space before.
fn is_white_after(body: &[Node], at: usize, is_root: bool) -> bool {
    let Some(next) = body.get(at) else { return is_root };
    let Node::Content(Content { text, .. }) = next else { return false };
    let rest = text.trim_start_matches(is_space);
    text[..text.len() - rest.len()].contains('\n') || (is_root && at + 1 == body.len() && rest.is_empty())
}

/// Takes white space from the start of the node: one line end, or all of it.
fn omit_right(body: &mut [Node], at: usize, multiple: bool) {
    let Some(Node::Content(content)) = body.get_mut(at) else { return };
    if !multiple && content.right_stripped {
        return;
    }
    let value = &content.text[content.from..content.to];
    let rest = if multiple {
        value.trim_start_matches(is_space)
    } else {
        let rest = value.trim_start_matches([' ', '\t']);
        let after = rest.strip_prefix('\r').unwrap_or(rest);
        after.strip_prefix('\n').unwrap_or(after)
    };
    let taken = value.len() - rest.len();
    content.from += taken;
    content.right_stripped = taken > 0;
}

/// Takes white space from the end of the node before: blanks, or all of it. Tells whether there was some.
fn omit_left(body: &mut [Node], at: usize, multiple: bool) -> bool {
    let Some(Node::Content(content)) = at.checked_sub(1).and_then(|before| body.get_mut(before)) else { return false };
    if !multiple && content.left_stripped {
        return false;
    }
    let value = &content.text[content.from..content.to];
    let rest = if multiple { value.trim_end_matches(is_space) } else { value.trim_end_matches([' ', '\t']) };
    let taken = value.len() - rest.len();
    content.to -= taken;
    content.left_stripped = taken > 0;
    taken > 0
}
