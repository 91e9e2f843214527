/** The headers of the answer to a read. */
export interface LinkHeaders {
  readonly contentType: string;
  readonly contentDisposition: string;
  readonly cacheControl: string;
}

/**
 * URLs with which clients reach objects of a store without the gateway. Anyone who has such a URL can use it until it expires;
 * it can end earlier only by the deletion of the object. They are secret: do not log them.
 */
export interface ObjectLinks {
  /** The origin of the URLs, for policies of pages. */
  origin(): Promise<string>;
  /**
   * The size of an object, in bytes; null if the key has none.
   * @throws StorageUnavailableError
   */
  sizeOf(key: string): Promise<number | null>;
  /**
   * A URL for one or more PUTs of exactly `byteSize` bytes.
   * @throws StorageUnavailableError if there are no credentials to sign it with
   */
  upload(key: string, byteSize: number, expiresAtMs: number): Promise<string>;
  /**
   * A URL for GETs with the given headers of the answer; the same one for some minutes, so that browsers can cache its answer.
   * @returns also how long it is valid from now on, in milliseconds
   * @throws StorageUnavailableError, as {@link upload}
   */
  read(key: string, headers: LinkHeaders): Promise<{ url: string; validMs: number }>;
}
