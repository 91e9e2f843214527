import type { GraphQLSchema } from 'graphql';
import { isBeingErased } from '../accounts/write-admission.repository';
import { nodeKinds, type NodeKind } from '../core/ids';
import { type Logger, loggableError } from '../core/logger';
import type { PreparedStatements } from '../core/sql';
import { avatarSource, avatarsSource, modelFields } from '../generations/avatar.read';
import { generationSource, generationsSource } from '../generations/generation.read';
import { modelSource, modelsSource } from '../models/model.read';
import { photoSource, photosSource } from '../photos/photo.read';
import { PlannedReads } from '../reads/planned-reads';
import type { ReadSources } from '../reads/source';
import type { Metrics } from './metrics';
import type { Services } from './services';

/** Creates the planned reads of the schema. */
export function createPlannedReads(
  schema: GraphQLSchema,
  sql: PreparedStatements,
  services: Services,
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): PlannedReads {
  return new PlannedReads({
    schema,
    sql,
    sources: sourcesOf(services),
    isBeingErased,
    onRead: (outcome) => metrics.read(outcome),
    onError: (error) => logger.error({ error: loggableError(error) }, 'planned read failed'),
  });
}

function sourcesOf({ avatarUrls, photos }: Pick<Services, 'avatarUrls' | 'photos'>): ReadSources {
  return {
    types: [
      photoSource(photos),
      { ...modelSource, fields: { ...modelSource.fields, ...modelFields } },
      generationSource,
      avatarSource(avatarUrls),
    ],
    roots: {
      models: modelsSource,
      generations: generationsSource,
      avatars: avatarsSource,
      photos: photosSource,
      model: { kind: 'lookup', types: ['AvatarModel'] },
      generation: { kind: 'lookup', types: ['Generation'] },
      avatar: { kind: 'lookup', types: ['Avatar'] },
      photo: { kind: 'lookup', types: ['Photo'] },
      node: { kind: 'lookup', types: Object.keys(nodeKinds) as NodeKind[] },
    },
  };
}
