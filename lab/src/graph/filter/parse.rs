//! Reading a filter: tokens, then a descent by precedence.

use jiff::Timestamp;

use super::{Expr, Literal, bad};
use crate::graph::GraphError;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
    Colon,
}

fn tokens(text: &str) -> Result<Vec<Token>, GraphError> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        match c {
            ' ' => {
                chars.next();
            }
            '(' | ')' | ',' => {
                chars.next();
                out.push(match c {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
            }
            ':' => {
                chars.next();
                out.push(Token::Colon);
            }
            '\'' => {
                chars.next();
                let mut literal = String::new();
                loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            literal.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => literal.push(other),
                        None => return Err(bad("a string does not end.")),
                    }
                }
                out.push(Token::Text(literal));
            }
            _ => {
                let mut word = String::new();
                while let Some(&c) = chars.peek() {
                    let time = c == ':' && word.len() >= 13 && word.as_bytes()[0].is_ascii_digit();
                    if matches!(c, ' ' | '(' | ')' | ',' | '\'') || c == ':' && !time {
                        break;
                    }
                    word.push(c);
                    chars.next();
                }
                out.push(Token::Word(word));
            }
        }
    }
    Ok(out)
}

/// Reads a filter.
pub(crate) fn parse(text: &str) -> Result<Expr, GraphError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
    };
    let expr = parser.or()?;
    if parser.at < parser.tokens.len() {
        return Err(bad(format!("syntax error in '{text}'.")));
    }
    Ok(expr)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token) -> Result<(), GraphError> {
        if self.next().as_ref() == Some(token) {
            Ok(())
        } else {
            Err(bad(format!("{token:?} expected.")))
        }
    }

    fn or(&mut self) -> Result<Expr, GraphError> {
        let mut left = self.and()?;
        while self.word("or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, GraphError> {
        let mut left = self.unary()?;
        while self.word("and") {
            left = Expr::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, GraphError> {
        if self.word("not") {
            return Ok(Expr::Not(Box::new(self.unary()?)));
        }
        if self.peek() == Some(&Token::Open) {
            self.at += 1;
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        let Some(Token::Word(path)) = self.next() else {
            return Err(bad("a property is missing."));
        };
        if self.peek() == Some(&Token::Open) {
            self.at += 1;
            return self.call(&path);
        }
        let Some(Token::Word(operator)) = self.next() else {
            return Err(bad(format!("an operator is missing after '{path}'.")));
        };
        if !matches!(operator.as_str(), "eq" | "ne" | "ge" | "le" | "gt" | "lt") {
            return Err(bad(format!("'{operator}' is not an operator.")));
        }
        let literal = self.literal()?;
        Ok(Expr::Compare(path, operator, literal))
    }

    fn call(&mut self, name: &str) -> Result<Expr, GraphError> {
        if let Some(path) = name.strip_suffix("/any") {
            let Some(Token::Word(variable)) = self.next() else {
                return Err(bad("any() needs a variable."));
            };
            self.expect(&Token::Colon)?;
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            return Ok(Expr::Any(path.to_owned(), variable, Box::new(inner)));
        }
        let function = name.to_ascii_lowercase();
        if !matches!(function.as_str(), "startswith" | "endswith" | "contains") {
            return Err(bad(format!("'{name}' is not a function.")));
        }
        let Some(Token::Word(path)) = self.next() else {
            return Err(bad(format!("{name}() needs a property.")));
        };
        self.expect(&Token::Comma)?;
        let Some(Token::Text(text)) = self.next() else {
            return Err(bad(format!("{name}() needs a string.")));
        };
        self.expect(&Token::Close)?;
        Ok(Expr::Function(function, path, text))
    }

    fn literal(&mut self) -> Result<Literal, GraphError> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) => match word.as_str() {
                "null" => Ok(Literal::Null),
                "true" => Ok(Literal::Bool(true)),
                "false" => Ok(Literal::Bool(false)),
                _ => {
                    if crate::guid::parse(&word).is_some() {
                        Ok(Literal::Guid(word.to_ascii_lowercase()))
                    } else if let Ok(time) = word.parse::<Timestamp>() {
                        Ok(Literal::Time(time))
                    } else if let Ok(number) = word.parse::<f64>() {
                        Ok(Literal::Number(number))
                    } else {
                        Err(bad(format!("'{word}' is not a literal.")))
                    }
                }
            },
            _ => Err(bad("a literal is missing.")),
        }
    }
}
