import { audit } from '../accounts/audit.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import { BulkChanges, type BulkLimits, type Selection } from '../core/bulk-changes';
import { pause, unlessAborted } from '../core/clock';
import { DomainError, notFound } from '../core/errors';
import { newId } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import type { UrlSigner } from '../core/signature';
import type { Transactions } from '../core/sql';
import type { Transfer } from '../core/transfer';
import { TransferSlots, type TransferLimits } from '../core/transfer-slots';
import type { Viewer } from '../core/viewer';
import { openedFile, throttled } from '../storage/archive-files';
import { archiveTransferErrors, type Archive } from '../storage/archive-transfers';
import type { OpenObject } from '../storage/media-store';
import { zip, type ZipEntry } from '../storage/zip';
import { DamagedAvatarError } from './avatar-damage';
import {
  downloadOffers,
  findDownload,
  insertDownload,
  type AvatarDownload,
} from './avatar-download.repository';
import { avatarFileName } from './avatar-file-name';
import type { AvatarMediaService } from './avatar-media.service';
import { maxConvertedSide, originalVariant, readVariant, type AvatarVariant } from './avatar-variant';
import type { AvatarEntity } from './avatar.entity';
import { findAvatars, type AvatarFilter } from './avatar.repository';
import type { AvatarService } from './avatar.service';

/** Number of avatars read at once during a download. */
const batchSize = 100;
/** Maximum number of avatars of a download whose pictures may have to be converted: to a size, or in their own size. */
const maxConverted = { sized: 1_000, whole: 100 };
/** How often a picture is demanded again while too many are converted. */
const maxRepeats = 3;
/** The longest time until a picture is demanded again, in seconds. With a longer one its original is used. */
const maxBusySeconds = 60;

/** A download URL. */
export interface OfferedDownload {
  url: string;
  expiresAt: Date;
  avatarCount: number;
  byteSize: number;
}

/** What is read of selected avatars. */
interface SelectedAvatar {
  readonly id: string;
  readonly byte_size: number;
}

export interface AvatarDownloadDeps {
  database: Transactions;
  signer: UrlSigner;
  publicUrl: () => string;
  avatars: Pick<AvatarService, 'list'>;
  /** The maximum number of avatars of a download. */
  maxAvatars: number;
  pictures: Pick<AvatarMediaService, 'fileOf' | 'open'>;
  transfers: TransferLimits;
  bulk: BulkLimits;
}

/** Archives of selected avatars. */
export class AvatarDownloadService {
  private readonly transfers: TransferSlots;
  /** Conversions may take long: they leave half of the slots to archives of originals. */
  private readonly conversions: TransferSlots;
  private readonly bulk: BulkChanges<AvatarEntity, AvatarFilter, SelectedAvatar>;

  constructor(private readonly deps: AvatarDownloadDeps) {
    this.transfers = new TransferSlots(deps.transfers, archiveTransferErrors);
    const maxTransfers = Math.ceil(deps.transfers.maxTransfers / 2);
    this.conversions = new TransferSlots({ ...deps.transfers, maxTransfers }, archiveTransferErrors);
    this.bulk = new BulkChanges(deps.avatars.list, 'Avatar', ['id', 'byte_size'], deps.bulk);
  }

  /**
   * Creates a download URL for the selected avatars.
   * @param variant - of their pictures; at most {@link maxConverted} are converted
   * @throws DomainError NOT_FOUND, INVALID_INPUT, with all problems of the selection; RATE_LIMITED if
   * the owner has too many valid URLs
   */
  async offer(
    viewer: Viewer,
    selection: Selection<AvatarFilter>,
    variant: AvatarVariant,
  ): Promise<OfferedDownload> {
    const { database, signer, publicUrl } = this.deps;
    const maxAvatars = Math.min(this.deps.maxAvatars, maxConvertedOf(variant));
    const scope = this.bulk.scopeOf(viewer.owner, selection);
    const selected = await this.bulk.read(scope, maxAvatars + 1);
    checkSelected(selection, selected, maxAvatars);
    const id = newId();
    const expiresAt = await writeTransaction(database, viewer, async (sql) => {
      await downloadOffers.requireFree(sql, viewer.owner);
      const download = { id, owner: viewer.owner, avatarIds: selected.map((avatar) => avatar.id) };
      const expiry = await insertDownload(sql, { ...download, variant: variant.name });
      await audit(sql, viewer, {
        action: 'downloadAvatars',
        subject: id,
        details: { avatars: selected.length },
      });
      return expiry;
    });
    const path = pathOf(id);
    return {
      url: `${publicUrl()}${path}?${signer.sign('avatar-download', path, expiresAt.getTime())}`,
      expiresAt,
      avatarCount: selected.length,
      byteSize: selected.reduce((sum, avatar) => sum + avatar.byte_size, 0),
    };
  }

  /**
   * Creates the archive of a URL from {@link offer} while `send` reads it. An interrupted download can be restarted from
   * the beginning while its URL is valid.
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND once the data have been erased, also during the download;
   * SERVICE_UNAVAILABLE while this owner, or too many others, download an archive; TIMEOUT if the client reads too slowly
   */
  async serve(id: string, query: URLSearchParams, send: (archive: Archive) => Promise<void>): Promise<void> {
    const { database, signer } = this.deps;
    if (signer.verify('avatar-download', pathOf(id), query) !== 'valid') {
      throw new DomainError(
        'INVALID_SIGNATURE',
        'This URL is invalid or has expired. Call downloadAvatars for a new one.',
      );
    }
    const download = await findDownload(database, id);
    if (!download) throw notFound('archive');
    const fileName = `likeness-avatars-${new Date().toISOString().slice(0, 10)}.zip`;
    const { owner, variant } = download;
    const start = (within?: Transfer): Promise<void> =>
      this.transfers.run(
        owner,
        (transfer) => send({ fileName, transfer, bytes: zip(this.filesOf(download, transfer)) }),
        within,
      );
    await (variant === originalVariant.name ? start() : this.conversions.run(owner, start));
  }

  /** The files of the avatars that still exist. Memory holds a batch of rows and a chunk of a picture. */
  private async *filesOf(
    { id, owner, avatarIds, variant: name }: AvatarDownload,
    { signal }: Transfer,
  ): AsyncGenerator<ZipEntry> {
    const { database } = this.deps;
    const variant = readVariant(name) ?? originalVariant;
    const requireKept = async (): Promise<void> => {
      if (!(await downloadOffers.isKept(database, id))) throw notFound('archive');
    };
    const check = throttled(requireKept);
    for (let start = 0; start < avatarIds.length; start += batchSize) {
      const avatars = await findAvatars(database, owner, avatarIds.slice(start, start + batchSize));
      for (const [index, avatar] of avatars.entries()) {
        if (avatar?.damagedAt !== null) continue;
        const picture =
          (await this.open(avatar, variant, signal)) ?? (await this.open(avatar, originalVariant, signal));
        if (!picture) continue;
        const path = avatarFileName({ ...avatar, contentType: picture.contentType }, start + index + 1);
        yield* openedFile(picture.object, check, { path, modifiedAt: avatar.createdAt });
      }
    }
    // Avatars that were erased are missing, and the archive must not end as complete.
    await requireKept();
  }

  /**
   * Opens a picture; null if it has been deleted meanwhile or is damaged, cannot be converted, or is not converted in time
   * because too many others wait.
   */
  private async open(
    avatar: AvatarEntity,
    variant: AvatarVariant,
    signal: AbortSignal,
  ): Promise<OpenedPicture | null> {
    const { pictures } = this.deps;
    for (let repeats = 0; ; repeats += 1) {
      try {
        // The conversion goes on, for others and for the next download.
        const file = await unlessAborted(signal, pictures.fileOf(avatar, variant));
        return { contentType: file.contentType, object: await pictures.open(avatar, file) };
      } catch (error) {
        if (isLost(error)) return null;
        const seconds = repeatSecondsOf(error);
        if (seconds === null) throw error;
        if (seconds > maxBusySeconds || repeats === maxRepeats) return null;
        await pause(seconds * 1_000, signal);
        signal.throwIfAborted();
      }
    }
  }
}

/** How many avatars a download may have in a variant. */
function maxConvertedOf({ source }: AvatarVariant): number {
  if (typeof source === 'string') return Infinity;
  return source.maxSide === maxConvertedSide ? maxConverted.whole : maxConverted.sized;
}

/** A picture of an archive. */
interface OpenedPicture {
  readonly contentType: string;
  readonly object: OpenObject;
}

/** Whether the picture was deleted, or its stored bytes are damaged. */
function isLost(error: unknown): boolean {
  return error instanceof DamagedAvatarError || (error instanceof DomainError && error.code === 'NOT_FOUND');
}

/** After how many seconds a conversion may be repeated; null if it failed for another reason than its own. */
function repeatSecondsOf(error: unknown): number | null {
  const seconds = error instanceof DomainError ? error.details?.retryAfterSeconds : undefined;
  return typeof seconds === 'number' ? seconds : null;
}

function checkSelected(
  { ids }: Selection<AvatarFilter>,
  selected: readonly SelectedAvatar[],
  maximum: number,
): void {
  const problems = new ProblemCollector();
  const known = new Set(selected.map(({ id }) => id));
  for (const { field, uuid } of ids ?? []) if (!known.has(uuid!)) problems.add(notFound('avatar', field));
  problems.throwIfAny();
  if (selected.length === 0)
    throw new DomainError('NOT_FOUND', 'No avatar matches the selection.', { field: 'input.select' });
  if (selected.length <= maximum) return;
  throw new DomainError(
    'INVALID_INPUT',
    `More than ${maximum} avatars match. Narrow the selection, for example by created.`,
    { field: 'input.select', details: { maximum } },
  );
}

function pathOf(id: string): string {
  return `/downloads/${id}`;
}
