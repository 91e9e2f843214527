import { availableParallelism } from 'node:os';

/** Threads in addition to one per core: for file operations and DNS lookups, which may use half of the pool. */
const spareThreads = 24;

/*
 * Image processing uses one thread of libuv's pool per core; with Node's default of four threads it could block every
 * file operation and DNS lookup of the process. libuv reads the size when the pool is first used, which is when sharp
 * is loaded, so this must be the first import of main.ts.
 */
process.env.UV_THREADPOOL_SIZE ??= String(availableParallelism() + spareThreads);
