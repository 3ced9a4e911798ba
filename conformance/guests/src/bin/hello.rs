//! Greets `GREETING_NAME`, else the first argument, else the world.

use std::env;

fn main() {
    let name = env::var("GREETING_NAME").ok().or_else(|| env::args().nth(1));
    println!("hello from wasm: {}", name.as_deref().unwrap_or("world"));
}
