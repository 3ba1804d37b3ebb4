//! CREATE FUNCTION, AGGREGATE, OPERATOR, CAST: signatures and what is promised of them. Bodies are
//! not read.

use super::SchemaError;
use super::loader::Loader;
use super::table::text;
use super::types::{argument, definitions, is_true};
use crate::typename::{strings, type_from_ast};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CoercionContext, CreateCastStmt, CreateFunctionStmt, DefineStmt, FunctionParameter,
    FunctionParameterMode as Mode, Node, ObjectWithArgs,
};
use spec::catalog::{
    Aggregate, AggregateKind, Cast, CastContext, CastMethod, Function, FunctionKind, Operator,
    Volatility,
};
use spec::types::{Oid, oids};

/// `void`, the result of a procedure without output.
const VOID: Oid = Oid(2278);

/// The commutator or negator that an operator names, which may not exist yet.
pub(super) struct OperatorLink {
    operator: Oid,
    schema: Option<String>,
    name: String,
    is_commutator: bool,
}

/// The parameters of a function, sorted by what they are for.
#[derive(Default)]
struct Parameters {
    args: Vec<Oid>,
    arg_names: Vec<String>,
    default_exprs: Vec<String>,
    variadic: Oid,
    out_args: Vec<(String, Oid)>,
}

impl Loader {
    fn parameters(&self, nodes: &[Node]) -> Result<Parameters, SchemaError> {
        let mut all = Parameters::default();
        for node in nodes {
            let Some(NodeEnum::FunctionParameter(p)) = &node.node else {
                continue;
            };
            let ty = self.parameter_type(p)?;
            let mode = p.mode();
            if matches!(
                mode,
                Mode::FuncParamOut | Mode::FuncParamTable | Mode::FuncParamInout
            ) {
                all.out_args.push((p.name.clone(), ty));
            }
            if matches!(mode, Mode::FuncParamOut | Mode::FuncParamTable) {
                continue;
            }
            all.args.push(ty);
            all.arg_names.push(p.name.clone());
            if let Some(expression) = &p.defexpr {
                all.default_exprs.push(text(expression)?);
            }
            if mode == Mode::FuncParamVariadic {
                all.variadic = match ty {
                    oids::ANY => oids::ANY,
                    oids::ANYARRAY => oids::ANYELEMENT,
                    oids::ANYCOMPATIBLEARRAY => oids::ANYCOMPATIBLE,
                    array => self.catalog.element_type(array).ok_or_else(|| {
                        SchemaError::new("VARIADIC parameter must be an array").at(p.location)
                    })?,
                };
            }
        }
        if all.arg_names.iter().all(String::is_empty) {
            all.arg_names.clear();
        }
        Ok(all)
    }

    fn parameter_type(&self, p: &FunctionParameter) -> Result<Oid, SchemaError> {
        let name = p.arg_type.as_ref();
        let name = name.ok_or_else(|| SchemaError::new("a parameter without a type"))?;
        Ok(type_from_ast(name, &self.catalog)?.oid)
    }

    pub(super) fn create_function(&mut self, s: &CreateFunctionStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_name(&s.funcname)?;
        let p = self.parameters(&s.parameters)?;
        let result = match (&s.return_type, p.out_args.as_slice()) {
            (Some(ty), _) => type_from_ast(ty, &self.catalog)?.oid,
            (None, []) if s.is_procedure => VOID,
            (None, []) => return Err(SchemaError::new("function result type must be specified")),
            (None, [(_, ty)]) if !s.is_procedure => *ty,
            (None, _) => oids::RECORD,
        };
        let mut function = Function {
            oid: Oid::INVALID,
            name,
            namespace,
            kind: if s.is_procedure {
                FunctionKind::Procedure
            } else {
                FunctionKind::Function
            },
            args: p.args,
            arg_names: p.arg_names,
            defaults: u16::try_from(p.default_exprs.len())
                .map_err(|_| SchemaError::new("functions cannot have so many arguments"))?,
            default_exprs: p.default_exprs,
            variadic: p.variadic,
            result,
            out_args: p.out_args,
            returns_set: s.return_type.as_ref().is_some_and(|t| t.setof),
            strict: false,
            volatility: Volatility::Volatile,
            leakproof: false,
            aggregate: None,
        };
        for definition in definitions(&s.options) {
            let value = argument(definition);
            match (definition.defname.as_str(), value) {
                ("strict", _) => function.strict = is_true(value),
                ("leakproof", _) => function.leakproof = is_true(value),
                ("window", _) if is_true(value) => function.kind = FunctionKind::Window,
                ("volatility", Some(NodeEnum::String(word))) => {
                    function.volatility = match word.sval.as_str() {
                        "immutable" => Volatility::Immutable,
                        "stable" => Volatility::Stable,
                        _ => Volatility::Volatile,
                    }
                }
                _ => {}
            }
        }
        self.add_or_replace(function, s.replace)
    }

    fn add_or_replace(&mut self, function: Function, replace: bool) -> Result<(), SchemaError> {
        let same = self
            .catalog
            .functions_named(&function.name)
            .find(|f| f.namespace == function.namespace && f.args == function.args)
            .map(|f| f.oid);
        match same {
            Some(oid) if replace => {
                let change = |f: &mut Function| *f = Function { oid, ..function };
                self.catalog.change_function(oid, change);
            }
            Some(_) => {
                return Err(SchemaError::new(format!(
                    "function \"{}\" already exists with same argument types",
                    function.name
                )));
            }
            None => {
                let oid = self.oid();
                self.catalog.add_function(Function { oid, ..function });
            }
        }
        Ok(())
    }

    pub(super) fn create_aggregate(&mut self, s: &DefineStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_name(&s.defnames)?;
        // Arguments are a pair: the list, and where ORDER BY stands in it (−1: nowhere).
        let (list, direct) = match s.args.as_slice() {
            [list, direct] => (list.node.as_ref(), direct.node.as_ref()),
            _ => (None, None),
        };
        if s.oldstyle {
            self.warn(format!(
                "aggregate \"{name}\", in the style of old, is not read"
            ));
            return Ok(());
        }
        let p = match list {
            Some(NodeEnum::List(list)) => self.parameters(&list.items)?,
            _ => Parameters::default(),
        };
        let direct = match direct {
            Some(NodeEnum::Integer(n)) => u16::try_from(n.ival).ok(),
            _ => None,
        };
        let mut state = None;
        let mut finish: Option<Vec<String>> = None;
        let mut sort: Option<Vec<String>> = None;
        let mut hypothetical = false;
        for definition in definitions(&s.definition) {
            let value = argument(definition);
            match (definition.defname.to_ascii_lowercase().as_str(), value) {
                ("stype" | "stype1", Some(NodeEnum::TypeName(t))) => {
                    state = Some(type_from_ast(t, &self.catalog)?.oid);
                }
                ("finalfunc", Some(NodeEnum::TypeName(t))) => finish = Some(strings(&t.names)),
                ("sortop", value) => sort = value.map(operator_name),
                ("hypothetical", value) => hypothetical = is_true(value),
                _ => {}
            }
        }
        let state = state.ok_or_else(|| SchemaError::new("aggregate stype must be specified"))?;
        let result = match finish {
            None => Some(state),
            Some(names) => self.final_result(&names, state),
        };
        let Some(result) = result else {
            self.warn(format!(
                "the result type of aggregate \"{name}\" is not known"
            ));
            return Ok(());
        };
        let sort_operator = match (sort, p.args.as_slice()) {
            (Some(names), [arg]) => self.operator_named(&names, *arg, *arg).unwrap_or_default(),
            _ => Oid::INVALID,
        };
        let function = Function {
            oid: Oid::INVALID,
            name,
            namespace,
            kind: FunctionKind::Aggregate,
            args: p.args,
            arg_names: p.arg_names,
            defaults: 0,
            default_exprs: Vec::new(),
            variadic: p.variadic,
            result,
            out_args: Vec::new(),
            returns_set: false,
            strict: false,
            volatility: Volatility::Immutable,
            leakproof: false,
            aggregate: Some(Aggregate {
                kind: match direct {
                    None => AggregateKind::Normal,
                    Some(_) if hypothetical => AggregateKind::Hypothetical,
                    Some(_) => AggregateKind::OrderedSet,
                },
                direct_args: direct.unwrap_or(0),
                sort_operator,
            }),
        };
        self.add_or_replace(function, s.replace)
    }

    /// The result of the final function that takes this state, if that is one type.
    fn final_result(&self, names: &[String], state: Oid) -> Option<Oid> {
        let (schema, name) = qualified(names)?;
        let schema = schema.map(|s| self.catalog.namespace_named(s).map(|n| n.oid));
        let mut results = self
            .catalog
            .functions_named(name)
            .filter(|f| match schema {
                Some(namespace) => Some(f.namespace) == namespace,
                None => self.catalog.search_path().contains(&f.namespace),
            })
            .filter(|f| f.args.first() == Some(&state))
            .map(|f| f.result);
        let first = results.next()?;
        results.all(|r| r == first).then_some(first)
    }

    fn operator_named(&self, names: &[String], left: Oid, right: Oid) -> Option<Oid> {
        let (schema, name) = qualified(names)?;
        let found = self.catalog.operator_exact(schema, name, left, right);
        found.map(|o| o.oid)
    }

    pub(super) fn create_operator(&mut self, s: &DefineStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_name(&s.defnames)?;
        let oid = self.oid();
        let mut operator = Operator {
            oid,
            name,
            namespace,
            left: Oid::INVALID,
            right: Oid::INVALID,
            result: Oid::INVALID,
            function: Oid::INVALID,
            commutator: Oid::INVALID,
            negator: Oid::INVALID,
            can_hash: false,
            can_merge: false,
            btree: Vec::new(),
        };
        let mut function = Vec::new();
        for definition in definitions(&s.definition) {
            let value = argument(definition);
            match (definition.defname.to_ascii_lowercase().as_str(), value) {
                ("leftarg", Some(NodeEnum::TypeName(t))) => {
                    operator.left = type_from_ast(t, &self.catalog)?.oid;
                }
                ("rightarg", Some(NodeEnum::TypeName(t))) => {
                    operator.right = type_from_ast(t, &self.catalog)?.oid;
                }
                ("function" | "procedure", Some(NodeEnum::TypeName(t))) => {
                    function = strings(&t.names);
                }
                ("hashes", value) => operator.can_hash = is_true(value),
                ("merges", value) => operator.can_merge = is_true(value),
                (word @ ("commutator" | "negator"), Some(value)) => {
                    let names = operator_name(value);
                    if let Some((schema, name)) = qualified(&names) {
                        self.operator_links.push(OperatorLink {
                            operator: oid,
                            schema: schema.map(str::to_owned),
                            name: name.to_owned(),
                            is_commutator: word == "commutator",
                        });
                    }
                }
                _ => {}
            }
        }
        let args: Vec<Oid> = [operator.left, operator.right]
            .into_iter()
            .filter(|a| a.is_valid())
            .collect();
        let found = self.function_exact(&function, &args).ok_or_else(|| {
            SchemaError::new(format!(
                "function {} for operator {} does not exist",
                function.join("."),
                operator.name
            ))
        })?;
        operator.function = found.oid;
        operator.result = found.result;
        self.catalog.add_operator(operator);
        Ok(())
    }

    /// The function of exactly these argument types.
    fn function_exact(&self, names: &[String], args: &[Oid]) -> Option<&Function> {
        let (schema, name) = qualified(names)?;
        let wanted = match schema {
            Some(schema) => Some(self.catalog.namespace_named(schema)?.oid),
            None => None,
        };
        let path = self.catalog.search_path();
        self.catalog
            .functions_named(name)
            .filter(|f| f.args == args)
            .filter(|f| match wanted {
                Some(namespace) => f.namespace == namespace,
                None => path.contains(&f.namespace),
            })
            .min_by_key(|f| self.catalog.position(f.namespace))
    }

    /// Resolves commutators and negators, both ways, as PostgreSQL does.
    pub(super) fn link_operators(&mut self) {
        for link in std::mem::take(&mut self.operator_links) {
            let Some(operator) = self.catalog.operator(link.operator) else {
                continue;
            };
            let (left, right) = match link.is_commutator {
                true => (operator.right, operator.left),
                false => (operator.left, operator.right),
            };
            let schema = link.schema.as_deref().or_else(|| {
                let namespace = self.catalog.namespace(operator.namespace);
                namespace.map(|n| n.name.as_str())
            });
            let found = self.catalog.operator_exact(schema, &link.name, left, right);
            let found = found.or_else(|| {
                let schema = link.schema.as_deref();
                self.catalog.operator_exact(schema, &link.name, left, right)
            });
            let Some(other) = found.map(|o| o.oid) else {
                continue;
            };
            for (one, two) in [(link.operator, other), (other, link.operator)] {
                self.catalog.change_operator(one, |o| {
                    let slot = match link.is_commutator {
                        true => &mut o.commutator,
                        false => &mut o.negator,
                    };
                    if one == link.operator || !slot.is_valid() {
                        *slot = two;
                    }
                });
            }
        }
    }

    pub(super) fn create_cast(&mut self, s: &CreateCastStmt) -> Result<(), SchemaError> {
        let (Some(source), Some(target)) = (&s.sourcetype, &s.targettype) else {
            return Err(SchemaError::new("a cast without types"));
        };
        let source = type_from_ast(source, &self.catalog)?.oid;
        let target = type_from_ast(target, &self.catalog)?.oid;
        let method = match &s.func {
            Some(function) => CastMethod::Function(self.cast_function(function)?),
            None if s.inout => CastMethod::InOut,
            None => CastMethod::Binary,
        };
        self.catalog.add_cast(Cast {
            source,
            target,
            context: match s.context() {
                CoercionContext::CoercionImplicit => CastContext::Implicit,
                CoercionContext::CoercionAssignment => CastContext::Assignment,
                _ => CastContext::Explicit,
            },
            method,
        });
        Ok(())
    }

    fn cast_function(&self, function: &ObjectWithArgs) -> Result<Oid, SchemaError> {
        let args: Vec<Oid> = function
            .objargs
            .iter()
            .filter_map(|node| match &node.node {
                Some(NodeEnum::TypeName(t)) => Some(type_from_ast(t, &self.catalog)),
                _ => None,
            })
            .map(|ty| ty.map(|t| t.oid))
            .collect::<Result<_, _>>()?;
        let names = strings(&function.objname);
        let found = self.function_exact(&names, &args).map(|f| f.oid);
        found
            .ok_or_else(|| SchemaError::new(format!("function {} does not exist", names.join("."))))
    }
}

fn qualified(names: &[String]) -> Option<(Option<&str>, &str)> {
    match names {
        [name] => Some((None, name)),
        [schema, name] => Some((Some(schema), name)),
        _ => None,
    }
}

/// An operator's name as a definition's value: `=`, or `OPERATOR(schema.=)`.
fn operator_name(value: &NodeEnum) -> Vec<String> {
    match value {
        NodeEnum::String(s) => vec![s.sval.clone()],
        NodeEnum::TypeName(t) => strings(&t.names),
        NodeEnum::List(list) => strings(&list.items),
        _ => Vec::new(),
    }
}
