//! `#[unik::main]`: turns an async `main` into an appliance.
//!
//! The parameters of the function declare what the appliance needs; each is taken from the machine, by type, before
//! `main` starts. The same expansion serves an image and an ordinary Linux process.
#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, FnArg, ItemFn, spanned::Spanned};

/// Makes an async function the start of an appliance.
///
/// Every parameter's type must be a resource (`unik::Resource`); the function returns `()` or a `Result` whose error
/// can be displayed. An error ends the appliance with exit code 1.
#[proc_macro_attribute]
pub fn main(attribute: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(attribute.into(), item.into()).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    if !attribute.is_empty() {
        return Err(Error::new(attribute.span(), "this attribute takes no arguments"));
    }
    let function: ItemFn = syn::parse2(item)?;
    check(&function)?;
    let name = &function.sig.ident;
    let mut types = Vec::new();
    for parameter in &function.sig.inputs {
        match parameter {
            FnArg::Typed(typed) => types.push(&*typed.ty),
            FnArg::Receiver(receiver) => {
                return Err(Error::new(receiver.span(), "a resource is a parameter of its own, not `self`"));
            }
        }
    }
    let variables: Vec<_> = (0..types.len()).map(|index| format_ident!("resource_{index}")).collect();
    Ok(quote! {
        #[cfg(target_os = "none")]
        ::unik::entry!(__unik_start);

        #[cfg(target_os = "none")]
        fn __unik_start(machine: ::unik::Machine) -> ::unik::Exit {
            ::unik::run(::unik::application_name!(), machine, __unik_application)
        }

        #[cfg(not(target_os = "none"))]
        fn main() -> ::std::process::ExitCode {
            ::unik::run(::unik::application_name!(), __unik_application)
        }

        async fn __unik_application(system: ::unik::System) -> ::core::result::Result<(), ::unik::Failure> {
            #function
            const LOOKED: bool = false #(|| <#types as ::unik::Resource>::LOOKS)*;
            #(let #variables = <#types as ::unik::Resource>::take::<LOOKED>(&system).await?;)*
            system.start_main();
            ::unik::Outcome::into_result(#name(#(#variables),*).await)
        }
    })
}

fn check(function: &ItemFn) -> Result<(), Error> {
    let signature = &function.sig;
    if signature.ident != "main" {
        return Err(Error::new(signature.ident.span(), "the appliance starts in a function named `main`"));
    }
    if signature.asyncness.is_none() {
        return Err(Error::new(signature.fn_token.span, "`main` of an appliance is an `async fn`"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(
            signature.generics.span(),
            "`main` of an appliance has no generic parameters",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(item: TokenStream) -> String {
        expand(TokenStream::new(), item).unwrap_err().to_string()
    }

    #[test]
    fn each_parameter_is_taken_by_its_type() {
        let item = quote! { async fn main(net: Net, disk: Option<Disk>) {} };
        let code = expand(TokenStream::new(), item).unwrap().to_string();
        assert!(code.contains("< Net as :: unik :: Resource > :: take"));
        assert!(code.contains("< Option < Disk > as :: unik :: Resource > :: take"));
    }

    #[test]
    fn a_function_that_cannot_start_an_appliance_is_refused_in_a_sentence() {
        assert_eq!(refusal(quote! { fn main() {} }), "`main` of an appliance is an `async fn`");
        assert_eq!(
            refusal(quote! { async fn start() {} }),
            "the appliance starts in a function named `main`"
        );
        assert_eq!(
            refusal(quote! { async fn main<T>(t: T) {} }),
            "`main` of an appliance has no generic parameters"
        );
    }

    #[test]
    fn the_attribute_takes_no_arguments() {
        let refused = expand(quote! { flavor = "fast" }, quote! { async fn main() {} });
        assert_eq!(refused.unwrap_err().to_string(), "this attribute takes no arguments");
    }
}
