import { LRUCache } from 'lru-cache';
import { Semaphore } from '../core/semaphore';
import { ErrorReply } from './replies';

/** The number of pictures that are drawn at once, and of those that wait. */
const maxDrawing = 2;
const maxWaiting = 200;

/** The number of recent pictures that are kept, for retries and range requests. */
const maxKept = 32;

/** A picture that is being drawn or waits for its turn. */
interface Drawing {
  readonly picture: Promise<Buffer>;
  readonly cancellation: AbortController;
  /** The number of connected clients that wait for it. */
  clients: number;
}

/**
 * Draws pictures when they are requested. Requests for the same picture share a drawing. A drawing that waits for its
 * turn is cancelled when its last client disconnects; otherwise clients that repeat a request after a time limit
 * would fill the queue with pictures that no client receives.
 */
export class PictureQueue {
  private readonly turns = new Semaphore(
    maxDrawing,
    maxWaiting,
    () => new ErrorReply(503, 'Too many pictures are requested at once.'),
  );
  private readonly drawings = new Map<string, Drawing>();
  private readonly kept = new LRUCache<string, Buffer>({ max: maxKept });

  /**
   * The picture of a key.
   * @param draw - makes it, if it is not kept and not being drawn
   * @param disconnected - aborted when the client has disconnected
   * @throws ErrorReply 503 if too many are waiting, or the error of `draw`
   */
  async get(key: string, draw: () => Promise<Buffer>, disconnected: AbortSignal): Promise<Buffer> {
    const known = this.kept.get(key);
    if (known) return known;
    const drawing = this.drawings.get(key) ?? this.start(key, draw);
    drawing.clients += 1;
    const leave = (): void => {
      drawing.clients -= 1;
      if (drawing.clients === 0)
        drawing.cancellation.abort(new ErrorReply(503, 'The client has disconnected.'));
    };
    disconnected.addEventListener('abort', leave, { once: true });
    try {
      return await drawing.picture;
    } finally {
      disconnected.removeEventListener('abort', leave);
    }
  }

  private start(key: string, draw: () => Promise<Buffer>): Drawing {
    const cancellation = new AbortController();
    const picture = this.turns.run(
      async () => {
        const bytes = await draw();
        this.kept.set(key, bytes);
        return bytes;
      },
      { signal: cancellation.signal },
    );
    const drawing = { picture, cancellation, clients: 0 };
    this.drawings.set(key, drawing);
    const forget = (): boolean => this.drawings.delete(key);
    picture.then(forget, forget);
    return drawing;
  }
}
