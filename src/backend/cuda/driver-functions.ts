/**
 * The driver functions remora calls, as koffi reads them. Device addresses and handles are plain 64-bit numbers here: a device address fits a
 * JavaScript number (48 bits), which is faster than a bigint, and handles are only passed back. Outputs go through typed arrays.
 *
 * Names end in `_v2` where the driver's header maps the plain name to that symbol.
 */
export const DRIVER_DECLARATIONS = {
  cuInit: "int cuInit(uint32 flags)",
  cuDriverGetVersion: "int cuDriverGetVersion(void* version)",
  cuGetErrorName: "int cuGetErrorName(int status, _Out_ const char** name)",
  cuGetErrorString: "int cuGetErrorString(int status, _Out_ const char** text)",
  cuDeviceGetCount: "int cuDeviceGetCount(void* count)",
  cuDeviceGet: "int cuDeviceGet(void* device, int ordinal)",
  cuDeviceGetName: "int cuDeviceGetName(void* name, int length, int device)",
  cuDeviceTotalMem_v2: "int cuDeviceTotalMem_v2(void* bytes, int device)",
  cuDeviceGetAttribute: "int cuDeviceGetAttribute(void* value, int attribute, int device)",
  cuDevicePrimaryCtxRetain: "int cuDevicePrimaryCtxRetain(void* context, int device)",
  cuDevicePrimaryCtxRelease_v2: "int cuDevicePrimaryCtxRelease_v2(int device)",
  cuCtxSetCurrent: "int cuCtxSetCurrent(uint64 context)",
  cuMemGetInfo_v2: "int cuMemGetInfo_v2(void* free, void* total)",
  cuMemAlloc_v2: "int cuMemAlloc_v2(void* address, size_t bytes)",
  cuMemFree_v2: "int cuMemFree_v2(uint64 address)",
  cuMemHostAlloc: "int cuMemHostAlloc(void* address, size_t bytes, uint32 flags)",
  cuMemFreeHost: "int cuMemFreeHost(uint64 address)",
  cuMemcpyHtoDAsync_v2: "int cuMemcpyHtoDAsync_v2(uint64 target, uint64 source, size_t bytes, uint64 stream)",
  cuMemcpyDtoHAsync_v2: "int cuMemcpyDtoHAsync_v2(uint64 target, uint64 source, size_t bytes, uint64 stream)",
  cuMemcpyAsync: "int cuMemcpyAsync(uint64 target, uint64 source, size_t bytes, uint64 stream)",
  cuMemcpyDtoDAsync_v2: "int cuMemcpyDtoDAsync_v2(uint64 target, uint64 source, size_t bytes, uint64 stream)",
  cuMemsetD8Async: "int cuMemsetD8Async(uint64 target, uint8 value, size_t bytes, uint64 stream)",
  cuStreamCreate: "int cuStreamCreate(void* stream, uint32 flags)",
  cuStreamDestroy_v2: "int cuStreamDestroy_v2(uint64 stream)",
  cuStreamSynchronize: "int cuStreamSynchronize(uint64 stream)",
  cuStreamWaitEvent: "int cuStreamWaitEvent(uint64 stream, uint64 event, uint32 flags)",
  cuStreamBeginCapture_v2: "int cuStreamBeginCapture_v2(uint64 stream, int mode)",
  cuStreamEndCapture: "int cuStreamEndCapture(uint64 stream, void* graph)",
  cuGraphInstantiateWithFlags: "int cuGraphInstantiateWithFlags(void* executable, uint64 graph, uint64 flags)",
  cuGraphGetNodes: "int cuGraphGetNodes(uint64 graph, uint64 nodes, void* count)",
  cuGraphLaunch: "int cuGraphLaunch(uint64 executable, uint64 stream)",
  cuGraphExecDestroy: "int cuGraphExecDestroy(uint64 executable)",
  cuGraphDestroy: "int cuGraphDestroy(uint64 graph)",
  cuEventCreate: "int cuEventCreate(void* event, uint32 flags)",
  cuEventRecord: "int cuEventRecord(uint64 event, uint64 stream)",
  cuEventSynchronize: "int cuEventSynchronize(uint64 event)",
  cuEventElapsedTime: "int cuEventElapsedTime(void* milliseconds, uint64 start, uint64 end)",
  cuEventDestroy_v2: "int cuEventDestroy_v2(uint64 event)",
  cuModuleLoadData: "int cuModuleLoadData(void* module, void* image)",
  cuModuleUnload: "int cuModuleUnload(uint64 module)",
  cuModuleGetFunction: "int cuModuleGetFunction(void* function, uint64 module, str name)",
  cuFuncSetAttribute: "int cuFuncSetAttribute(uint64 function, int attribute, int value)",
  cuTensorMapEncodeTiled:
    "int cuTensorMapEncodeTiled(void* map, int dtype, uint32 rank, uint64 address, void* sizes, void* strides, void* box, void* steps, int interleave, int swizzle, int promotion, int fill)",
  cuLaunchKernel:
    "int cuLaunchKernel(uint64 function, uint32 gridX, uint32 gridY, uint32 gridZ, uint32 blockX, uint32 blockY, uint32 blockZ, uint32 shared, uint64 stream, void* params, void* extra)",
  cuLaunchKernelEx: "int cuLaunchKernelEx(void* config, uint64 function, void* params, void* extra)",
} as const;

type Handle = number | bigint;
type Out = ArrayBufferView;

/** The functions above, typed. Every one returns a CUresult. */
export interface DriverFunctions {
  cuInit(flags: number): number;
  cuDriverGetVersion(version: Out): number;
  cuGetErrorName(status: number, name: (string | null)[]): number;
  cuGetErrorString(status: number, text: (string | null)[]): number;
  cuDeviceGetCount(count: Out): number;
  cuDeviceGet(device: Out, ordinal: number): number;
  cuDeviceGetName(name: Out, length: number, device: number): number;
  cuDeviceTotalMem_v2(bytes: Out, device: number): number;
  cuDeviceGetAttribute(value: Out, attribute: number, device: number): number;
  cuDevicePrimaryCtxRetain(context: Out, device: number): number;
  cuDevicePrimaryCtxRelease_v2(device: number): number;
  cuCtxSetCurrent(context: Handle): number;
  cuMemGetInfo_v2(free: Out, total: Out): number;
  cuMemAlloc_v2(address: Out, bytes: number): number;
  cuMemFree_v2(address: Handle): number;
  cuMemHostAlloc(address: Out, bytes: number, flags: number): number;
  cuMemFreeHost(address: Handle): number;
  cuMemcpyHtoDAsync_v2(target: Handle, source: Handle, bytes: number, stream: Handle): number;
  cuMemcpyDtoHAsync_v2(target: Handle, source: Handle, bytes: number, stream: Handle): number;
  cuMemcpyAsync(target: Handle, source: Handle, bytes: number, stream: Handle): number;
  cuMemcpyDtoDAsync_v2(target: Handle, source: Handle, bytes: number, stream: Handle): number;
  cuMemsetD8Async(target: Handle, value: number, bytes: number, stream: Handle): number;
  cuStreamCreate(stream: Out, flags: number): number;
  cuStreamDestroy_v2(stream: Handle): number;
  cuStreamSynchronize(stream: Handle): number;
  cuStreamWaitEvent(stream: Handle, event: Handle, flags: number): number;
  cuStreamBeginCapture_v2(stream: Handle, mode: number): number;
  cuStreamEndCapture(stream: Handle, graph: Out): number;
  cuGraphInstantiateWithFlags(executable: Out, graph: Handle, flags: number): number;
  cuGraphGetNodes(graph: Handle, nodes: number, count: Out): number;
  cuGraphLaunch(executable: Handle, stream: Handle): number;
  cuGraphExecDestroy(executable: Handle): number;
  cuGraphDestroy(graph: Handle): number;
  cuEventCreate(event: Out, flags: number): number;
  cuEventRecord(event: Handle, stream: Handle): number;
  cuEventSynchronize(event: Handle): number;
  cuEventElapsedTime(milliseconds: Out, start: Handle, end: Handle): number;
  cuEventDestroy_v2(event: Handle): number;
  cuModuleLoadData(module: Out, image: Out): number;
  cuModuleUnload(module: Handle): number;
  cuModuleGetFunction(fn: Out, module: Handle, name: string): number;
  cuFuncSetAttribute(fn: Handle, attribute: number, value: number): number;
  cuTensorMapEncodeTiled(
    map: Out,
    dtype: number,
    rank: number,
    address: Handle,
    sizes: Out,
    strides: Out,
    box: Out,
    steps: Out,
    interleave: number,
    swizzle: number,
    promotion: number,
    fill: number,
  ): number;
  cuLaunchKernel(
    fn: Handle,
    gridX: number,
    gridY: number,
    gridZ: number,
    blockX: number,
    blockY: number,
    blockZ: number,
    shared: number,
    stream: Handle,
    params: Out,
    extra: null,
  ): number;
  /** `config`: a CUlaunchConfig, see launch-config.ts. */
  cuLaunchKernelEx(config: Out, fn: Handle, params: Out, extra: null): number;
}
