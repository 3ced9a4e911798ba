use std::ffi::CStr;
use std::ptr;

use shimmer_engine::{Error, ErrorKind, Exit, Guest, Instance, Result, Source};
use wasmedge_sdk::AsInstance;
use wasmedge_sys::ffi;

use crate::{exit, settings, wasi};

/// A core module that is compiled in memory.
///
/// The SDK compiles into files only, and in a container there may be no place for one that nobody else can write to. So
/// this uses the C interface, in which a virtual machine in mode "JIT" compiles what it is given before it runs it.
pub(crate) struct InMemory(*mut ffi::WasmEdge_VMContext);

// SAFETY: a virtual machine is bound to no thread; `InMemory` owns it and shares it with nobody.
unsafe impl Send for InMemory {}

impl InMemory {
    pub(crate) fn load(source: &Source) -> Result<Self> {
        settings::silence();
        let length = u32::try_from(source.wasm().len())
            .map_err(|_| Error::new(ErrorKind::Unsupported, "WasmEdge takes programs below 4 GiB"))?;
        // SAFETY: the configuration is made, filled and deleted here; the machine copies what it needs of it. The
        // bytes live until the call returns, and the loader copies them.
        let (machine, loaded) = unsafe {
            let config = ffi::WasmEdge_ConfigureCreate();
            ffi::WasmEdge_ConfigureSetRunMode(config, ffi::WasmEdge_RunMode_JIT);
            ffi::WasmEdge_ConfigureCompilerSetOptimizationLevel(config, settings::OPTIMIZATION.into());
            let machine = Self(ffi::WasmEdge_VMCreate(config, ptr::null_mut()));
            ffi::WasmEdge_ConfigureDelete(config);
            let bytes = ffi::WasmEdge_BytesWrap(source.wasm().as_ptr(), length);
            let loaded = check(ffi::WasmEdge_VMLoadWasmFromBytes(machine.0, bytes));
            (machine, loaded)
        };
        loaded.map_err(|failure| source.refused(failure.message))?;
        // SAFETY: the machine has loaded a module, which is what this validates.
        check(unsafe { ffi::WasmEdge_VMValidate(machine.0) })
            .map_err(|failure| source.refused(failure.message))?;
        Ok(machine)
    }
}

impl Instance for InMemory {
    fn run(self: Box<Self>, guest: &Guest) -> Result<Exit> {
        let mut wasi = wasi::context(guest)?;
        let name = guest.function.as_bytes();
        let length = u32::try_from(name.len())
            .map_err(|_| Error::new(ErrorKind::Invalid, "the function's name is too long"))?;
        // SAFETY: the module was validated by `load`; `wasi` outlives the machine's use of it, which ends with the
        // last of these calls, since `self` is dropped before `wasi`; the name lives as long as the call.
        let ended = unsafe {
            let import = wasi.as_mut().as_ptr();
            check(ffi::WasmEdge_VMRegisterModuleFromImport(self.0, import))
                .and_then(|()| check(ffi::WasmEdge_VMInstantiate(self.0)))
                .map_err(|failure| exit::unlinkable(failure.message))?;
            let function = ffi::WasmEdge_StringWrap(name.as_ptr().cast(), length);
            check(ffi::WasmEdge_VMExecute(self.0, function, ptr::null(), 0, ptr::null_mut(), 0))
        };
        let ended = match ended {
            Ok(()) => Exit::Code(0),
            Err(Failure { code, .. }) if code == ffi::WasmEdge_ErrCode_Terminated => {
                Exit::with_code(wasi.exit_code())
            }
            Err(Failure { message, .. }) => exit::trap(&message, &guest.function),
        };
        drop(self);
        Ok(ended)
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        // SAFETY: `load` has created it, and nobody else deletes it. Deleting null does nothing.
        unsafe { ffi::WasmEdge_VMDelete(self.0) }
    }
}

struct Failure {
    code: ffi::WasmEdge_ErrCode,
    message: String,
}

fn check(result: ffi::WasmEdge_Result) -> std::result::Result<(), Failure> {
    // SAFETY: a result is a plain number; its message is a string constant of the library.
    unsafe {
        let code = ffi::WasmEdge_ResultGetCode(result) as ffi::WasmEdge_ErrCode;
        // The library counts a call of proc_exit as success.
        if ffi::WasmEdge_ResultOK(result) && code != ffi::WasmEdge_ErrCode_Terminated {
            return Ok(());
        }
        let message = CStr::from_ptr(ffi::WasmEdge_ResultGetMessage(result)).to_string_lossy().into_owned();
        Err(Failure { code, message })
    }
}
