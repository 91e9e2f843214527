import { availableParallelism } from 'node:os';

/** Threads beyond one for each core: for files, and for lookups of names, which may use half of the pool. */
const spareThreads = 24;

/*
 * The image workshop uses a thread of libuv's pool for each core: with Node's default of four threads it could stop
 * every file operation and lookup of the process. The size is read when the pool is first used, which is when sharp is
 * loaded, so this is the first import of main.ts.
 */
process.env.UV_THREADPOOL_SIZE ??= String(availableParallelism() + spareThreads);
