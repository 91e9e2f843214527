export type * from './api.ts';
export { createClient, LikenessClient, type ClientOptions, type WatchTarget } from './client.ts';
export { documents, type TypedDocument } from './documents.ts';
export * from './error-classes.ts';
export * from './errors.ts';
export type { CallOptions } from './http.ts';
export type { UploadFile, UploadOptions, UploadProgress, UploadResult } from './uploads.ts';
export type { Watch, WatchOptions } from './watch.ts';
