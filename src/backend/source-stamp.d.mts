/** Types of source-stamp.mjs. */
export declare function cpuSourceStamp(root: string): string | null;
export declare function cudaSourceStamp(root: string): string | null;
