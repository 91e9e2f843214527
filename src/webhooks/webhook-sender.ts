import { Webhook } from 'standardwebhooks';
import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import type { DatabaseClock } from '../database/database-clock';
import type { ExchangeAnswer } from '../upstream/exchange-answer';
import { GuardRefusal, type Guard } from '../upstream/guard';
import { ExchangeError, type HttpExchange } from '../upstream/http-exchange';
import { DownloadDeferred } from '../upstream/name-resolution';
import type { WebhookSecrets } from './webhook-secrets';
import { renewSecrets } from './webhook-secrets.repository';
import type { WebhookAttemptRow, WebhookEntity } from './webhook.entity';

/** Maximum length of an excerpt, in characters. */
const maxExcerptLength = 1_000;
/** How much of an answer is read, in bytes. */
const maxAnswerBytes = 16_000;

const unreadableSecret = 'The server cannot read the secret. Rotate it with rotateWebhookSecret.';

/** A message for an endpoint. */
export interface WebhookMessage {
  /** The header `webhook-id`. */
  readonly id: string;
  /** JSON. */
  readonly body: string;
}

/** Where and how a message is sent. */
export type WebhookTarget = Pick<
  WebhookEntity,
  'id' | 'owner' | 'url' | 'secret' | 'oldSecret' | 'oldSecretExpiresAt'
>;

/**
 * An attempt with its outcome. Unsigned: it was not made, since the secret cannot be read. Deferred: it was not made, since a
 * share of the process is used up.
 */
export type SentAttempt =
  MadeAttempt | { outcome: 'unsigned'; attempt: WebhookAttemptRow } | { outcome: 'deferred' };

/** An attempt that was made. */
export interface MadeAttempt {
  readonly outcome: 'delivered' | 'failed';
  readonly attempt: WebhookAttemptRow;
}

/** Sends messages to endpoints, signed as standardwebhooks.com describes. */
export class WebhookSender {
  constructor(
    private readonly exchange: Pick<HttpExchange, 'postOnce'>,
    private readonly guard: Guard,
    private readonly secrets: WebhookSecrets,
    /** The time in messages: receivers refuse one that is minutes off, as the clock of this machine may be. */
    private readonly clock: Pick<DatabaseClock, 'nowMs'>,
  ) {}

  /** Encrypts the secrets of all webhooks with the first signing secret. */
  renewSecrets(sql: Sql): Promise<void> {
    return renewSecrets(sql, this.secrets);
  }

  /**
   * Checks the URL of an endpoint without network access.
   * @throws DomainError INVALID_INPUT
   */
  checkUrl(url: string, field: string): void {
    try {
      this.permitted(url);
    } catch (error) {
      if (!(error instanceof GuardRefusal)) throw error;
      throw new DomainError(
        'INVALID_INPUT',
        `${field} cannot be used: it must be a public https URL on port 443 without user and password, unless the operator allows its host.`,
        { field },
      );
    }
  }

  /**
   * Sends a message once. Redirects are not followed. Never throws for a problem of the endpoint.
   * @param timeoutMs - maximum duration, in milliseconds
   */
  async send(
    target: WebhookTarget,
    { id, body }: WebhookMessage,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<SentAttempt> {
    const startedAt = new Date(this.clock.nowMs());
    const began = performance.now();
    const attempt = (httpStatus: number | null, excerpt: string): WebhookAttemptRow => {
      const durationMs = Math.round(performance.now() - began);
      return { startedAt: startedAt.toISOString(), durationMs, httpStatus, excerpt: clean(excerpt) };
    };
    const signature = this.sign(target, id, startedAt, body);
    if (signature === null) return { outcome: 'unsigned', attempt: attempt(null, unreadableSecret) };
    try {
      const url = this.permitted(target.url);
      const answer = await this.exchange.postOnce({
        ...{ url, body, timeoutMs, signal, maxBytes: maxAnswerBytes },
        lookup: this.guard.lookupFor(url, undefined, target.owner),
        headers: {
          'content-type': 'application/json',
          'user-agent': 'Likeness',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(startedAt.getTime() / 1_000)),
          'webhook-signature': signature,
        },
      });
      return {
        outcome: isSuccess(answer) ? 'delivered' : 'failed',
        attempt: attempt(answer.status, excerptOf(answer)),
      };
    } catch (error) {
      if (isDeferral(error)) return { outcome: 'deferred' };
      return { outcome: 'failed', attempt: attempt(null, problemOf(error)) };
    }
  }

  /** The URL of an endpoint: https, or http if the operator lists its host. */
  private permitted(text: string): URL {
    const url = this.guard.checkUrl(text);
    if (url.protocol !== 'https:' && !this.guard.isListed(url)) throw new GuardRefusal();
    return url;
  }

  /** The signatures with the current secret and, until it expires, with the old one; null if the secret cannot be read. */
  private sign(target: WebhookTarget, id: string, at: Date, body: string): string | null {
    const { secret, oldSecret, oldSecretExpiresAt } = target;
    const isOldValid = oldSecret !== null && oldSecretExpiresAt !== null && oldSecretExpiresAt > at;
    const current = this.secrets.decrypt(secret, target.id);
    if (current === null) return null;
    const old = isOldValid ? this.secrets.decrypt(oldSecret, target.id) : null;
    return [current, old]
      .flatMap((key) => (key === null ? [] : [new Webhook(key).sign(id, at, body)]))
      .join(' ');
  }
}

function isSuccess({ status }: ExchangeAnswer): boolean {
  return status >= 200 && status < 300;
}

function excerptOf({ status, body, cut }: ExchangeAnswer): string {
  if (status >= 300 && status < 400) return 'Redirects are not followed. Use the URL of the target.';
  const text = body.toString('utf8', 0, 4 * maxExcerptLength);
  return cut === 'encoding' ? 'The answer is compressed, which was not requested.' : text;
}

/** What went wrong, without details that would reveal the internal network. */
function problemOf(error: unknown): string {
  if (error instanceof GuardRefusal) return 'The address cannot be used.';
  if (!(error instanceof ExchangeError)) throw error;
  return `The endpoint ${error.message}.`;
}

/** The attempt was not made, or was interrupted by the end of the process: it does not count. */
function isDeferral(error: unknown): boolean {
  if (!(error instanceof ExchangeError)) return false;
  return error.reason === 'aborted' || error.cause instanceof DownloadDeferred;
}

/** Without control characters and characters that change the direction of text. PostgreSQL cannot store U+0000. */
function clean(text: string): string {
  const plain = text.replace(/[^\P{C}\n\t]|[\u2028\u2029]/gu, '\uFFFD');
  return [...plain].slice(0, maxExcerptLength).join('');
}
