//! Benches the engine by itself, beside a native build of the same source.

fn main() {
    shimmer_benches::engine::<shimmer_wasmedge::WasmEdge>();
}
