//! Walks a template and writes what it says.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::ast::{Block, Call, Expression, Node, Partial, Path, Program};
use crate::helpers::{self, Run};
use crate::print::{self, Printer, too_much};
use crate::scope::Scope;
use crate::{RenderError, Value};

pub(crate) type Rendered<T> = Result<T, RenderError>;

/// How deep partials may call partials.
const PARTIALS_MAX: usize = 32;

/// One rendering.
pub(crate) struct Machine<'p, 's, 'r> {
    pub(crate) scope: &'r mut Scope<'s>,
    steps: u64,
    bytes: usize,
    partial_depth: usize,
    phantom: std::marker::PhantomData<&'p ()>,
}

/// Where in the template and its data a statement stands.
#[derive(Clone)]
pub(crate) struct Place<'p> {
    context: Rc<Level>,
    pub(crate) frame: Rc<Frame>,
    params: Option<Rc<BlockParams<'p>>>,
    partials: Option<Rc<Inline<'p>>>,
}

/// A context within contexts.
struct Level {
    value: Value,
    parent: Option<Rc<Level>>,
}

/// Variables as `@name` sees them. A new frame starts with those of its parent.
pub(crate) struct Frame {
    variables: RefCell<Vec<(Arc<str>, Value)>>,
    parent: Option<Rc<Frame>>,
}

struct BlockParams<'p> {
    names: &'p [Box<str>],
    values: Vec<Value>,
    parent: Option<Rc<BlockParams<'p>>>,
}

/// A partial that the template itself defines; those of outer blocks come after.
struct Inline<'p> {
    name: Arc<str>,
    program: &'p Program,
    /// What the block of the calling partial sees.
    place: Option<Place<'p>>,
    parent: Option<Rc<Inline<'p>>>,
}

impl Frame {
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        self.variables.borrow().iter().find(|(known, _)| **known == *name).map(|(_, value)| value.clone())
    }

    pub(crate) fn set(&self, name: &str, value: Value) {
        let mut variables = self.variables.borrow_mut();
        match variables.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, known)) => *known = value,
            None => variables.push((name.into(), value)),
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        self.variables.borrow_mut().retain(|(known, _)| **known != *name);
    }

    /// A frame within this one.
    pub(crate) fn inner(self: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self { variables: RefCell::new(self.variables.borrow().clone()), parent: Some(Rc::clone(self)) })
    }

    /// A frame beside this one, with the same variables.
    pub(crate) fn copy(&self) -> Rc<Self> {
        Rc::new(Self { variables: RefCell::new(self.variables.borrow().clone()), parent: self.parent.clone() })
    }
}

impl<'p> Place<'p> {
    pub(crate) fn this(&self) -> &Value {
        &self.context.value
    }

    /// The same place with another frame.
    pub(crate) fn with_frame(&self, frame: Rc<Frame>) -> Self {
        Self { frame, ..self.clone() }
    }

    /// A place in a block whose context is another value.
    pub(crate) fn with_context(&self, value: Value) -> Self {
        if same_context(&value, &self.context.value) {
            return self.clone();
        }
        let context = Rc::new(Level { value, parent: Some(Rc::clone(&self.context)) });
        Self { context, ..self.clone() }
    }

    pub(crate) fn with_params(&self, names: &'p [Box<str>], values: Vec<Value>) -> Self {
        if names.is_empty() {
            return self.clone();
        }
        let params = Some(Rc::new(BlockParams { names, values, parent: self.params.clone() }));
        Self { params, ..self.clone() }
    }

    fn param(&self, name: &str) -> Option<Value> {
        let mut level = self.params.as_ref();
        while let Some(params) = level {
            if let Some(index) = params.names.iter().position(|known| **known == *name) {
                return Some(params.values.get(index).cloned().unwrap_or_default());
            }
            level = params.parent.as_ref();
        }
        None
    }

    fn partial(&self, name: &str) -> Option<Rc<Inline<'p>>> {
        let mut level = self.partials.as_ref();
        while let Some(inline) = level {
            if *inline.name == *name {
                return Some(Rc::clone(inline));
            }
            level = inline.parent.as_ref();
        }
        None
    }

    fn with_partial(&self, name: Arc<str>, program: &'p Program, place: Option<Self>) -> Self {
        let partials = Some(Rc::new(Inline { name, program, place, parent: self.partials.clone() }));
        Self { partials, ..self.clone() }
    }
}

/// `a == b`, as far as contexts go.
fn same_context(a: &Value, b: &Value) -> bool {
    a.same(b) || (a.is_nullish() && b.is_nullish())
}

/// What a helper is called with.
pub(crate) struct Args<'c, 'p, 's, 'r> {
    pub(crate) machine: &'c mut Machine<'p, 's, 'r>,
    pub(crate) place: &'c Place<'p>,
    pub(crate) call: &'p Call,
    pub(crate) values: Vec<Value>,
    /// In the order in which JavaScript enumerates it.
    pub(crate) hash: crate::value::Members,
    /// The block and its `else`; absent where the helper is not called as a block.
    pub(crate) block: Option<&'p Block>,
}

static UNDEFINED: Value = Value::Undefined;

impl<'p> Args<'_, 'p, '_, '_> {
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// An argument, or undefined.
    pub(crate) fn get(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&UNDEFINED)
    }

    /// An argument with safe texts made plain.
    pub(crate) fn plain(&self, index: usize) -> Value {
        self.get(index).clone().unwrapped()
    }

    /// `String(argument)`.
    pub(crate) fn text(&mut self, index: usize) -> Rendered<String> {
        let value = self.get(index).clone();
        self.machine.text(&value)
    }

    /// Writes the block with a place of its own; fails if the helper was not called as a block.
    pub(crate) fn write_block(&mut self, place: &Place<'p>, out: &mut String) -> Rendered<()> {
        let Some(block) = self.block else { return Err(RenderError::new("options.fn is not a function")) };
        match &block.program {
            Some(program) => self.machine.program(program, place, out),
            None => Ok(()),
        }
    }

    /// Writes what follows `else`.
    pub(crate) fn write_inverse(&mut self, place: &Place<'p>, out: &mut String) -> Rendered<()> {
        let Some(block) = self.block else { return Err(RenderError::new("options.inverse is not a function")) };
        match &block.inverse {
            Some(program) => self.machine.program(program, place, out),
            None => Ok(()),
        }
    }

    /// Names that the block gives to what its helper yields.
    pub(crate) fn param_names(&self) -> &'p [Box<str>] {
        self.block.and_then(|block| block.program.as_deref()).map_or(&[], |program| &program.params)
    }
}

impl<'p, 's, 'r> Machine<'p, 's, 'r> {
    pub(crate) fn new(scope: &'r mut Scope<'s>) -> Self {
        Self { scope, steps: 0, bytes: 0, partial_depth: 0, phantom: std::marker::PhantomData }
    }

    pub(crate) fn run(program: &'p Program, scope: &'r mut Scope<'s>) -> Rendered<String> {
        let (mut machine, place) = Self::begin(scope);
        let mut out = String::new();
        machine.program(program, &place, &mut out)?;
        Ok(out)
    }

    /// The value of one call.
    pub(crate) fn evaluate(call: &'p Call, scope: &'r mut Scope<'s>) -> Rendered<Value> {
        let (mut machine, place) = Self::begin(scope);
        machine.call(call, &place, None)
    }

    fn begin(scope: &'r mut Scope<'s>) -> (Self, Place<'p>) {
        let context = scope.context.clone();
        let frame = Frame { variables: RefCell::new(vec![("root".into(), context.clone())]), parent: None };
        let place = Place {
            context: Rc::new(Level { value: context, parent: None }),
            frame: Rc::new(frame),
            params: None,
            partials: None,
        };
        (Self::new(scope), place)
    }

    /// Counts work; fails when there was too much of it.
    pub(crate) fn step(&mut self, count: usize) -> Rendered<()> {
        self.steps = self.steps.saturating_add(count as u64);
        if self.steps > self.scope.limits.steps {
            return Err(RenderError::new("The template takes more steps than are allowed"));
        }
        Ok(())
    }

    /// Counts text that is made; fails when it is too much, so call it before making it where that may be long.
    pub(crate) fn charge(&mut self, bytes: usize) -> Rendered<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.scope.limits.bytes { Err(too_much()) } else { Ok(()) }
    }

    /// Writes values within what is left of the limit.
    pub(crate) fn printer(&self) -> Printer<'_> {
        Printer { zone: &self.scope.zone, limit: self.scope.limits.bytes - self.bytes.min(self.scope.limits.bytes) }
    }

    /// `String(value)`.
    pub(crate) fn text(&mut self, value: &Value) -> Rendered<String> {
        let mut out = String::new();
        self.printer().text(value, &mut out)?;
        self.charge(out.len())?;
        Ok(out)
    }

    /// `JSON.stringify(value)`.
    pub(crate) fn json(&mut self, value: &Value, plain: bool, indent: usize) -> Rendered<Option<String>> {
        let text = self.printer().json(value, plain, indent)?;
        self.charge(text.as_ref().map_or(0, String::len))?;
        Ok(text)
    }

    pub(crate) fn program(&mut self, program: &'p Program, place: &Place<'p>, out: &mut String) -> Rendered<()> {
        let mut with_partials = None;
        for node in &program.body {
            if let Node::Block(block) = node
                && block.decorator
            {
                let place = with_partials.as_ref().unwrap_or(place);
                with_partials = Some(self.inline_partial(block, place)?);
            }
        }
        let place = with_partials.as_ref().unwrap_or(place);
        for node in &program.body {
            self.step(1)?;
            let before = out.len();
            match node {
                Node::Content(content) => out.push_str(&content.text[content.from..content.to]),
                Node::Comment(_) => {}
                Node::Mustache { call, escaped, .. } => {
                    let value = self.call(call, place, None)?;
                    let escaped = *escaped && !self.scope.plain;
                    self.write(&value, escaped, out)?;
                }
                Node::Block(block) if !block.decorator => self.block(block, place, out)?,
                Node::Block(_) => {}
                Node::Partial(partial) => self.partial(partial, place, out)?,
                Node::Decorator { name, .. } => {
                    return Err(RenderError::new(format!("Missing decorator: \"{name}\"")));
                }
            }
            if matches!(node, Node::Content(_) | Node::Mustache { .. }) {
                self.charge(out.len() - before)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, value: &Value, escape: bool, out: &mut String) -> Rendered<()> {
        match value {
            Value::Undefined | Value::Null => Ok(()),
            Value::Text(text) if escape => {
                print::escaped(text, out);
                Ok(())
            }
            Value::Object(_) | Value::List(_) | Value::Date(_) if escape => {
                let text = self.text(value)?;
                print::escaped(&text, out);
                Ok(())
            }
            _ => {
                let limit = self.printer().limit.saturating_add(out.len());
                Printer { zone: &self.scope.zone, limit }.text(value, out)
            }
        }
    }

    fn block(&mut self, block: &'p Block, place: &Place<'p>, out: &mut String) -> Rendered<()> {
        let call = &block.call;
        let bare = call.params.is_empty() && call.hash.is_empty();
        if let Some(helper) = self.helper(&call.callee, place) {
            let mut args = self.arguments(call, place, Some(block))?;
            return match helper {
                Run::Block(run) => run(&mut args, out),
                Run::Value(run) => {
                    let value = run(&mut args)?;
                    self.write(&value, false, out)
                }
            };
        }
        if !bare {
            return Ok(());
        }
        // No helper: the value decides, as it does in Mustache.
        let value = match call.callee.simple() {
            Some(name) if place.param(name).is_none() => match place.this().get(name) {
                value if value.is_nullish() => Value::text(""),
                value => value,
            },
            _ => self.path(&call.callee, place)?,
        };
        let mut args = Args {
            machine: self,
            place,
            call,
            values: vec![value.clone()],
            hash: Default::default(),
            block: Some(block),
        };
        match &value {
            Value::Bool(true) => args.write_block(place, out),
            Value::Bool(false) | Value::Undefined | Value::Null => args.write_inverse(place, out),
            Value::List(list) if list.items().is_empty() => args.write_inverse(place, out),
            Value::List(_) => helpers::each(&mut args, out),
            _ => {
                let inner = place.with_context(value);
                args.write_block(&inner, out)
            }
        }
    }

    /// The helper that a callee names, if there is one and it may be used here.
    fn helper(&self, callee: &Path, place: &Place<'p>) -> Option<Run> {
        let name = callee.simple()?;
        let helper = callee.helper?;
        let allowed = match helper.needs {
            helpers::Needs::Nothing => true,
            helpers::Needs::Request => self.scope.request.is_some(),
            helpers::Needs::Data => self.scope.data.is_some(),
            helpers::Needs::Status => self.scope.takes_status,
        };
        (allowed && place.param(name).is_none()).then_some(helper.run)
    }

    /// What `{{callee …}}` or `(callee …)` is.
    fn call(&mut self, call: &'p Call, place: &Place<'p>, block: Option<&'p Block>) -> Rendered<Value> {
        self.step(1)?;
        let bare = call.params.is_empty() && call.hash.is_empty();
        if let Some(helper) = self.helper(&call.callee, place) {
            let mut args = self.arguments(call, place, block)?;
            return match helper {
                Run::Value(run) => run(&mut args),
                Run::Block(run) => {
                    let mut out = String::new();
                    run(&mut args, &mut out)?;
                    Ok(Value::text(out))
                }
            };
        }
        if !bare {
            return Ok(Value::text(""));
        }
        self.path(&call.callee, place)
    }

    fn arguments<'c>(
        &'c mut self,
        call: &'p Call,
        place: &'c Place<'p>,
        block: Option<&'p Block>,
    ) -> Rendered<Args<'c, 'p, 's, 'r>> {
        let mut values = Vec::with_capacity(call.params.len());
        for param in &call.params {
            values.push(self.expression(param, place)?);
        }
        let hash = self.hash(&call.hash, place)?;
        Ok(Args { machine: self, place, call, values, hash, block })
    }

    /// Named arguments, which JavaScript enumerates from the last to the first.
    fn hash(&mut self, pairs: &'p [(Arc<str>, Expression)], place: &Place<'p>) -> Rendered<crate::value::Members> {
        let mut values = Vec::with_capacity(pairs.len());
        for (name, expression) in pairs {
            values.push((Arc::clone(name), self.expression(expression, place)?));
        }
        Ok(values.into_iter().rev().collect())
    }

    fn expression(&mut self, expression: &'p Expression, place: &Place<'p>) -> Rendered<Value> {
        match expression {
            Expression::Literal(value) => Ok(value.clone()),
            Expression::Path(path) => self.path(path, place),
            Expression::Call(call) => self.call(call, place, None),
        }
    }

    /// The value at a path.
    fn path(&mut self, path: &Path, place: &Place<'p>) -> Rendered<Value> {
        self.step(1 + path.parts.len())?;
        let mut parts = path.parts.iter();
        let mut value = if path.data {
            let mut frame = Some(&place.frame);
            for _ in 0..path.depth {
                frame = frame.and_then(|frame| frame.parent.as_ref());
            }
            match parts.next() {
                Some(name) => frame.and_then(|frame| frame.get(name)).unwrap_or_default(),
                None => Value::Undefined,
            }
        } else {
            let param = match path.parts.first() {
                Some(name) if !path.scoped && path.depth == 0 => place.param(name),
                _ => None,
            };
            match param {
                Some(value) => {
                    parts.next();
                    value
                }
                None => {
                    let mut level = Some(&place.context);
                    for _ in 0..path.depth {
                        level = level.and_then(|level| level.parent.as_ref());
                    }
                    level.map(|level| level.value.clone()).unwrap_or_default()
                }
            }
        };
        for part in parts {
            value = value.get(part);
        }
        Ok(value)
    }

    fn inline_partial(&mut self, block: &'p Block, place: &Place<'p>) -> Rendered<Place<'p>> {
        if *block.call.callee.original != *"inline" {
            let name = &block.call.callee.original;
            return Err(RenderError::new(format!("Missing decorator: \"{name}\"")));
        }
        let name = match block.call.params.first() {
            Some(expression) => self.expression(expression, place)?,
            None => Value::Undefined,
        };
        let name = self.text(&name)?;
        Ok(match &block.program {
            Some(program) => place.with_partial(name.into(), program, None),
            None => place.clone(),
        })
    }

    fn partial(&mut self, partial: &'p Partial, place: &Place<'p>, out: &mut String) -> Rendered<()> {
        if partial.params.len() > 1 {
            let count = partial.params.len();
            return Err(RenderError::new(format!("Unsupported number of partial arguments: {count}")));
        }
        let name = self.expression(&partial.name, place)?;
        let name = self.text(&name)?;
        let mut context = match partial.params.first() {
            Some(expression) => self.expression(expression, place)?,
            None => place.this().clone(),
        };
        if !partial.hash.is_empty() {
            let hash = self.hash(&partial.hash, place)?;
            let mut members = match &context {
                Value::Object(object) => object.members().clone(),
                _ => Default::default(),
            };
            self.step(members.len())?;
            members.extend(hash);
            context = Value::from_members(members);
        }
        self.partial_depth += 1;
        if self.partial_depth > PARTIALS_MAX {
            return Err(RenderError::new(format!("Partials call each other deeper than {PARTIALS_MAX}")));
        }
        // What is defined within the block of a partial is known to the partial.
        let mut definitions = place.clone();
        if let Some(fallback) = &partial.fallback {
            for node in &fallback.body {
                if let Node::Block(block) = node
                    && block.decorator
                {
                    definitions = self.inline_partial(block, &definitions)?;
                }
            }
            let block_place = definitions.clone();
            definitions = definitions.with_partial("@partial-block".into(), fallback, Some(block_place));
        }
        let found = definitions.partial(&name);
        let start = out.len();
        match (found, &partial.fallback) {
            (Some(inline), _) => {
                // The block of a partial sees the partials of where it was written.
                let base = match &inline.place {
                    Some(written) => Place { partials: written.partials.clone(), ..definitions },
                    None => definitions,
                };
                let inner = base.with_context(context);
                self.program(inline.program, &inner, out)?;
            }
            (None, Some(fallback)) => {
                let inner = definitions.with_context(context);
                self.program(fallback, &inner, out)?;
            }
            (None, None) => return Err(RenderError::new(format!("The partial {name} could not be found"))),
        }
        if !partial.indent.is_empty() {
            let written = out.split_off(start);
            let mut lines = written.split('\n').peekable();
            while let Some(line) = lines.next() {
                if line.is_empty() && lines.peek().is_none() {
                    break;
                }
                self.charge(partial.indent.len())?;
                out.push_str(&partial.indent);
                out.push_str(line);
                if lines.peek().is_some() {
                    out.push('\n');
                }
            }
        }
        self.partial_depth -= 1;
        Ok(())
    }
}
