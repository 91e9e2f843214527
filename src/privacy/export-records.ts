import { toGlobalId } from '../core/ids';
import type { AvatarEntity } from '../generations/avatar.entity';
import type { GenerationEntity } from '../generations/generation.entity';
import type { JobEntity } from '../jobs/job.entity';
import { priorityOf } from '../jobs/queue-options';
import type { PhotoEntity } from '../photos/photo.entity';
import type { ModelWithPhotos } from './export.repository';

/** The record of a model in `data.json`. */
export function modelRecord(model: ModelWithPhotos): object {
  const { id, name, type, status, progress } = model;
  return {
    id: toGlobalId('AvatarModel', id),
    ...{ name, type, status, progress },
    photos: model.photoIds.map((photoId) => toGlobalId('Photo', photoId)),
    ...consentOf(model),
    provider: model.provider,
    providerModelId: model.providerRef,
    ...attemptOf(model),
    readyAt: model.readyAt,
  };
}

/** The record of a generation in `data.json`. */
export function generationRecord(generation: GenerationEntity): object {
  const { id, modelId, photoId, status, progress, prompts } = generation;
  return {
    id: toGlobalId('Generation', id),
    model: modelId && toGlobalId('AvatarModel', modelId),
    photo: photoId && toGlobalId('Photo', photoId),
    ...{ status, progress, prompts },
    ...consentOf(generation),
    provider: generation.provider,
    providerGenerationId: generation.providerRef,
    ...attemptOf(generation),
    completedAt: generation.completedAt,
  };
}

function consentOf({ consentVersion, consentAt }: JobEntity): object {
  return { consentVersion, consentAt };
}

function attemptOf(job: JobEntity): object {
  const { attempt, failureCode, failureMessage, createdAt, submittedAt, startBy } = job;
  const failure = failureCode && { code: failureCode, message: failureMessage };
  return { attempt, failure, createdAt, submittedAt, startBy, priority: priorityOf(job) };
}

/** The record of an avatar in `data.json`. */
export function avatarRecord(avatar: AvatarEntity): object {
  const { id, generationId, modelId, style, prompt, width, height, byteSize, contentType } = avatar;
  return {
    id: toGlobalId('Avatar', id),
    generation: toGlobalId('Generation', generationId),
    model: modelId && toGlobalId('AvatarModel', modelId),
    file: avatarFile(avatar),
    ...{ style, prompt, width, height, byteSize, contentType, sha256: avatar.sha256 },
    ...{ placeholder: avatar.placeholder, thumbhash: avatar.thumbhash },
    hasContentCredentials: avatar.hasContentCredentials,
    favorite: avatar.favorite,
    createdAt: avatar.createdAt,
  };
}

/** The name of an avatar's file in the archive. */
export function avatarFile({ id, contentType }: AvatarEntity): string {
  const extension = contentType?.replace('image/', '').replace('jpeg', 'jpg') ?? 'jpg';
  return `avatars/${toGlobalId('Avatar', id)}.${extension}`;
}

/** The record of a photo in `data.json`. */
export function photoRecord(photo: PhotoEntity): object {
  const { id, status, filename, sourceUrl, width, height, byteSize, problems, purgeAt, createdAt } = photo;
  return {
    id: toGlobalId('Photo', id),
    ...{ status, file: photoFile(photo), filename, fetchedFrom: sourceUrl },
    ...{ width, height, byteSize, problems, keptUntil: purgeAt, createdAt },
  };
}

/** The name of a photo's file in the archive; null if the photo has no bytes. */
export function photoFile({ id, status }: PhotoEntity): string | null {
  return status === 'READY' ? `photos/${toGlobalId('Photo', id)}.jpg` : null;
}
