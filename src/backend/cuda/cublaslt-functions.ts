/** The cuBLASLt functions and numbers remora uses (cublasLt.h, library_types.h); the same in versions 12 and 13. */
export const CUBLASLT_DECLARATIONS = {
  cublasLtGetVersion: "size_t cublasLtGetVersion()",
  cublasLtGetStatusName: "const char* cublasLtGetStatusName(int status)",
  cublasLtCreate: "int cublasLtCreate(void* handle)",
  cublasLtDestroy: "int cublasLtDestroy(uint64 handle)",
  cublasLtMatmulDescCreate: "int cublasLtMatmulDescCreate(void* descriptor, int computeType, int scaleType)",
  cublasLtMatmulDescDestroy: "int cublasLtMatmulDescDestroy(uint64 descriptor)",
  cublasLtMatmulDescSetAttribute: "int cublasLtMatmulDescSetAttribute(uint64 descriptor, int attribute, void* value, size_t bytes)",
  cublasLtMatrixLayoutCreate: "int cublasLtMatrixLayoutCreate(void* layout, int type, uint64 rows, uint64 cols, int64 ld)",
  cublasLtMatrixLayoutDestroy: "int cublasLtMatrixLayoutDestroy(uint64 layout)",
  cublasLtMatmulPreferenceCreate: "int cublasLtMatmulPreferenceCreate(void* preference)",
  cublasLtMatmulPreferenceDestroy: "int cublasLtMatmulPreferenceDestroy(uint64 preference)",
  cublasLtMatmulPreferenceSetAttribute:
    "int cublasLtMatmulPreferenceSetAttribute(uint64 preference, int attribute, void* value, size_t bytes)",
  cublasLtMatmulAlgoGetHeuristic:
    "int cublasLtMatmulAlgoGetHeuristic(uint64 handle, uint64 descriptor, uint64 a, uint64 b, uint64 c, uint64 d, uint64 preference, int wanted, void* results, void* found)",
  cublasLtMatmulAlgoConfigGetAttribute:
    "int cublasLtMatmulAlgoConfigGetAttribute(void* algorithm, int attribute, void* value, size_t bytes, void* written)",
  cublasLtMatmul:
    "int cublasLtMatmul(uint64 handle, uint64 descriptor, void* alpha, uint64 a, uint64 aLayout, uint64 b, uint64 bLayout, void* beta, uint64 c, uint64 cLayout, uint64 d, uint64 dLayout, void* algorithm, uint64 workspace, size_t workspaceBytes, uint64 stream)",
} as const;

/** cublasComputeType_t: f32 sums; with f32 operands this is plain f32, TF32 is another type. */
export const COMPUTE_32F = 68;
/** cudaDataType_t */
export const DATA_TYPES = { f32: 0, f16: 2, bf16: 14, e4m3: 28 } as const;
/** cublasLtMatmulDescAttributes_t */
export const DESCRIPTOR = {
  transposeA: 3,
  transposeB: 4,
  scaleA: 17,
  scaleB: 18,
  fastAccumulation: 25,
  scaleModeA: 31,
  scaleModeB: 32,
} as const;
/** cublasLtMatmulMatrixScale_t: one f32 for each row of op(A), for each column of op(B). From cuBLAS 12.9 on, sm_90 alone. */
export const SCALE_OUTER_VECTOR = 3;
/** cublasLtMatmulPreferenceAttributes_t */
export const PREFERENCE = { workspaceBytes: 1, reductions: 3, alignmentA: 5, alignmentB: 6, alignmentC: 7, alignmentD: 8 } as const;
/** cublasLtReductionScheme_t: parts of a split sum are added in f32, never in the output's 16 bits. */
export const REDUCTION_COMPUTE_TYPE = 2;
/** cublasLtMatmulAlgoConfigAttributes_t */
export const ALGORITHM = { id: 0, tile: 1, splitK: 2, reduction: 3, stages: 6 } as const;
/** cublasLtMatmulHeuristicResult_t: 64 bytes of algorithm, workspace size, state, waves, 16 reserved. */
export const RESULT_BYTES = 96;
export const ALGORITHM_BYTES = 64;

type Handle = number | bigint;
type Memory = ArrayBufferView;

export interface CublasLtFunctions {
  cublasLtGetVersion(): number | bigint;
  cublasLtGetStatusName(status: number): string;
  cublasLtCreate(handle: Memory): number;
  cublasLtDestroy(handle: Handle): number;
  cublasLtMatmulDescCreate(descriptor: Memory, computeType: number, scaleType: number): number;
  cublasLtMatmulDescDestroy(descriptor: Handle): number;
  cublasLtMatmulDescSetAttribute(descriptor: Handle, attribute: number, value: Memory, bytes: number): number;
  cublasLtMatrixLayoutCreate(layout: Memory, type: number, rows: number, cols: number, ld: number): number;
  cublasLtMatrixLayoutDestroy(layout: Handle): number;
  cublasLtMatmulPreferenceCreate(preference: Memory): number;
  cublasLtMatmulPreferenceDestroy(preference: Handle): number;
  cublasLtMatmulPreferenceSetAttribute(preference: Handle, attribute: number, value: Memory, bytes: number): number;
  cublasLtMatmulAlgoGetHeuristic(
    handle: Handle,
    descriptor: Handle,
    a: Handle,
    b: Handle,
    c: Handle,
    d: Handle,
    preference: Handle,
    wanted: number,
    results: Memory,
    found: Memory,
  ): number;
  cublasLtMatmulAlgoConfigGetAttribute(algorithm: Memory, attribute: number, value: Memory, bytes: number, written: Memory): number;
  cublasLtMatmul(
    handle: Handle,
    descriptor: Handle,
    alpha: Memory,
    a: Handle,
    aLayout: Handle,
    b: Handle,
    bLayout: Handle,
    beta: Memory,
    c: Handle,
    cLayout: Handle,
    d: Handle,
    dLayout: Handle,
    algorithm: Memory,
    workspace: Handle,
    workspaceBytes: number,
    stream: Handle,
  ): number;
}
