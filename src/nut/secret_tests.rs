use super::*;

#[test]
fn it_is_not_shown() {
    let secret = Secret::new("xyzzy".to_owned());
    assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "Secret Some(\n    Secret,\n)");
    assert_eq!(secret.expose(), "xyzzy");
}

#[test]
fn it_goes_through_the_bytes_of_a_configuration() {
    let secret = Secret::new("p w".to_owned());
    let bytes = postcard::to_allocvec(&secret).unwrap();
    let back: Secret = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(back, secret);
    assert_ne!(back, Secret::new("p".to_owned()));
}
