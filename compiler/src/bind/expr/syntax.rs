//! What has syntax of its own, put together again from bound parts.

use super::Binder;
use crate::bind::context::BindError;
use crate::typing::Typing;
use spec::catalog::Volatility;
use spec::expr::{ExprKind, Piece};
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, Span};

/// An [`ExprKind::Verbatim`] in the making.
pub(super) struct Syntax {
    pieces: Vec<Piece>,
    args: Vec<Expr>,
    volatility: Volatility,
    /// What the volatility is due to.
    because: Vec<(String, Volatility)>,
}

impl Syntax {
    pub(super) fn new(sql: &str) -> Syntax {
        Syntax {
            pieces: vec![Piece::Sql(sql.into())],
            args: vec![],
            volatility: Volatility::Immutable,
            because: vec![],
        }
    }

    pub(super) fn sql(&mut self, sql: &str) -> &mut Syntax {
        match self.pieces.last_mut() {
            Some(Piece::Sql(last)) => *last = format!("{last}{sql}").into(),
            _ => self.pieces.push(Piece::Sql(sql.into())),
        }
        self
    }

    pub(super) fn name(&mut self, name: &str) -> &mut Syntax {
        self.pieces.push(Piece::Name(name.into()));
        self
    }

    /// A string literal.
    pub(super) fn text(&mut self, text: &str) -> &mut Syntax {
        self.pieces.push(Piece::Text(text.into()));
        self
    }

    pub(super) fn ty(&mut self, ty: SqlType) -> &mut Syntax {
        self.pieces.push(Piece::Type(ty));
        self
    }

    pub(super) fn arg(&mut self, arg: Expr) -> &mut Syntax {
        self.pieces.push(Piece::Arg);
        self.args.push(arg);
        self
    }

    /// Something in it that is no expression is not IMMUTABLE.
    pub(super) fn moves(&mut self, what: impl Into<String>, volatility: Volatility) -> &mut Syntax {
        if volatility != Volatility::Immutable {
            self.because.push((what.into(), volatility));
        }
        self.volatility = self.volatility.max(volatility);
        self
    }

    /// The same of something that was noted.
    pub(super) fn also(&mut self, volatility: Volatility) -> &mut Syntax {
        self.volatility = self.volatility.max(volatility);
        self
    }

    /// The expression. `collates`: see [`ExprKind::Verbatim`].
    pub(super) fn finish(
        self,
        ty: SqlType,
        collates: bool,
        typing: &Typing<'_>,
        span: Option<Span>,
    ) -> Expr {
        for (what, volatility) in self.because {
            typing.note_unsteady(|| what, volatility, span);
        }
        let kind = ExprKind::Verbatim {
            pieces: self.pieces,
            args: self.args,
            volatility: self.volatility,
            collates,
        };
        Expr::new(kind, ty)
    }
}

impl Binder<'_, '_> {
    pub(super) fn category(&self, ty: Oid) -> char {
        self.typing.catalog.ty(ty).map_or('X', |t| t.category)
    }

    /// A literal that nothing has decided, as a value of this type that the syntax around it coerces
    /// to the length, by assignment: text or bits of another length are an error then, and would be
    /// cut by a cast.
    pub(super) fn sized_later(
        &self,
        value: Expr,
        ty: SqlType,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        if value.ty().oid != oids::UNKNOWN {
            return Ok(value);
        }
        let sized = ty.typmod >= 0 && !matches!(value.kind(), ExprKind::Const(None));
        let ty = match self.category(ty.oid) {
            'S' if sized => SqlType::new(oids::TEXT),
            'V' if sized => SqlType::new(oids::VARBIT),
            _ => ty,
        };
        self.typing.explicit_cast(value, ty, span)
    }
}
