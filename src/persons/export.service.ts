import { audit } from '../accounts/audit';
import { isBeingErased, transactionFor } from '../accounts/erasure-gate';
import { DomainError, notFound } from '../core/errors';
import { Gate } from '../core/gate';
import { newId } from '../core/ids';
import type { Person } from '../core/person';
import type { UrlSigner } from '../core/signature';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { archiveOf } from './archive';
import type { PersonalData } from './erasure-steps';
import { zip } from './zip';

/** What exports are made of. */
export interface ExportServiceParts {
  database: Transactions;
  data: PersonalData;
  signer: UrlSigner;
  publicUrl: () => string;
}

/** An archive on its way. */
export interface Archive {
  fileName: string;
  bytes: AsyncIterable<Uint8Array>;
}

/** How long the URL of an archive works, in milliseconds. */
const urlMs = 3_600_000;

/** How many URLs of archives one owner may have that still work. */
const mostOffers = 10;

/** How many archives a process makes at once: each reads a picture after the other for as long as its client takes. */
const archivesAtOnce = 4;

/** What refused clients are told to wait, in seconds. */
const busySeconds = 30;

/** Gives persons all that is kept of them. */
export class ExportService {
  private readonly gate = new Gate(archivesAtOnce, 0, () =>
    busy('Too many archives are being fetched at the moment.'),
  );
  private readonly owners = new Set<string>();

  constructor(private readonly parts: ExportServiceParts) {}

  /**
   * A URL that gives the viewer's archive, for an hour.
   * @throws DomainError RATE_LIMITED if there are ten such URLs already
   */
  async offer(viewer: Viewer): Promise<{ url: string; expiresAt: Date }> {
    const id = newId();
    const expiresAt = await transactionFor(this.parts.database, viewer, async (sql) => {
      await checkOffers(sql, viewer);
      const [made] = await sql.rows<{ expires_at: Date }>(
        `INSERT INTO exports (id, owner, expires_at) VALUES ($1, $2, now() + $3 * interval '1 ms') RETURNING expires_at`,
        [id, viewer.owner, urlMs],
      );
      await audit(sql, viewer, { action: 'exportMyData', subject: id });
      return made!.expires_at;
    });
    const path = pathOf(id);
    const query = this.parts.signer.sign('export', path, expiresAt.getTime());
    return { url: `${this.parts.publicUrl()}${path}?${query}`, expiresAt };
  }

  /**
   * Makes the archive of a URL that {@link offer} gave, while `send` takes it.
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND once the person's data have been erased, also in the middle of the
   * bytes; SERVICE_UNAVAILABLE while this person, or too many others, fetch one
   */
  async serve(id: string, query: URLSearchParams, send: (archive: Archive) => Promise<void>): Promise<void> {
    const { database, data, signer } = this.parts;
    if (signer.verify('export', pathOf(id), query) !== 'valid') {
      throw new DomainError(
        'INVALID_SIGNATURE',
        'This URL is not valid, or not any more. Ask exportMyData for a new one.',
      );
    }
    const person = await this.personOf(id);
    const parts = { sql: database, data, check: () => this.personOf(id) };
    const fileName = `likeness-export-${person.until.slice(0, 10)}.zip`;
    await this.alone(person, () =>
      this.gate.run(() => send({ fileName, bytes: zip(archiveOf(parts, person)) })),
    );
  }

  /** Whose archive it is, with all that is there now. */
  private async personOf(id: string): Promise<Person> {
    const [person] = await this.parts.database.rows<Person>(
      `SELECT owner, now()::text AS until FROM exports
        WHERE id::text = $1 AND expires_at > now() AND NOT ${isBeingErased('exports.owner')}`,
      [id],
    );
    if (!person) throw notFound('archive');
    return person;
  }

  /** One archive at a time for everybody, so that nobody takes all places. */
  private async alone(person: Person, work: () => Promise<void>): Promise<void> {
    if (this.owners.has(person.owner)) throw busy('Your archive is being fetched already.');
    this.owners.add(person.owner);
    try {
      await work();
    } finally {
      this.owners.delete(person.owner);
    }
  }
}

/**
 * Forgets offers whose time is over.
 * @returns how many, at most 1,000 a call
 */
export async function pruneExports(sql: Sql): Promise<number> {
  const gone = await sql.rows(
    'DELETE FROM exports WHERE id IN (SELECT id FROM exports WHERE expires_at < now() LIMIT 1000) RETURNING id',
  );
  return gone.length;
}

async function checkOffers(sql: Sql, { owner }: Viewer): Promise<void> {
  const [offers] = await sql.rows<{ count: number; seconds: number }>(
    `SELECT count(*)::integer AS count, ceil(extract(epoch FROM min(expires_at) - now()))::integer AS seconds
       FROM exports WHERE owner = $1 AND expires_at > now()`,
    [owner],
  );
  if (offers!.count < mostOffers) return;
  throw new DomainError('RATE_LIMITED', 'You have ten URLs of archives that still work. Use one of them.', {
    details: { maximum: mostOffers, retryAfterSeconds: offers!.seconds },
  });
}

function pathOf(id: string): string {
  return `/exports/${id}`;
}

function busy(why: string): DomainError {
  return new DomainError('SERVICE_UNAVAILABLE', `${why} Try again in half a minute.`, {
    details: { retryAfterSeconds: busySeconds },
  });
}
