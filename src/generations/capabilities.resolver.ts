import { Field, Int, ObjectType, Query, Resolver } from 'type-graphql';
import type { ConsentRule } from '../accounts/consent';
import { UrlScalar } from '../graphql/scalars';
import { maxModelNameLength } from '../models/model.service';
import { AvatarTypeEnum } from '../models/model.type';
import { photoRules, type PhotoService } from '../photos/photo.service';
import type { AvatarProvider, AvatarType } from '../upstream/provider';
import { promptRules } from './prompt-validation';
import type { StyleExamples } from './style-examples';

@ObjectType({ description: 'A style of avatars.' })
class Style {
  @Field(() => String, { description: 'What a prompt takes as `style`. Not a global id.' })
  key: string;

  @Field(() => String, {
    description: 'What a prompt takes as `style`. Not a global id.',
    deprecationReason: 'Use `key`. Removed in 1.0.',
  })
  id: string;

  @Field(() => String, { description: 'The name to show.' })
  name: string;

  @Field(() => String, { description: 'A description of the style, to show.' })
  description: string;

  @Field(() => Boolean, { description: 'Whether it is used when `style` is left out.' })
  isDefault: boolean;

  @Field(() => UrlScalar, {
    nullable: true,
    description:
      'The URL of an example picture in this style, which shows no user and needs no authentication. Null if the avatar service publishes none, as with Picsart: show a picture of your own.',
  })
  exampleUrl: string | null;
}

@ObjectType({
  description: 'An avatar service, and what it accepts. Use it to check a form before sending it.',
})
class Provider {
  @Field(() => String, { description: 'What `trainModel` takes as `provider`. Not a global id.' })
  key: string;

  @Field(() => String, { description: 'The name to show.' })
  name: string;

  @Field(() => Boolean, { description: 'Whether it is used when `provider` is left out.' })
  isDefault: boolean;

  @Field(() => Int, { description: 'The minimum number of photos of a training.' })
  minPhotos: number;

  @Field(() => Int, { description: 'The maximum number of photos of a training.' })
  maxPhotos: number;

  @Field(() => Int, { description: 'The maximum number of avatars of one generation, over all its prompts.' })
  maxAvatars: number;

  @Field(() => [Style], { description: 'The styles that it offers.' })
  styles: Style[];
}

@ObjectType({ description: 'The limits of photos. A file beyond them is refused.' })
class PhotoCapabilities {
  @Field(() => [String], { description: 'The accepted media types of an uploaded photo.' })
  contentTypes: readonly string[];

  @Field(() => Int, { description: 'The maximum size of an uploaded photo, in bytes.' })
  maxByteSize: number;

  @Field(() => Int, { description: 'The maximum number of pixels: width times height.' })
  maxPixels: number;

  @Field(() => Int, {
    description:
      'The maximum number of pixels of a progressive JPEG, an interlaced PNG or an AVIF: width times height.',
  })
  maxProgressivePixels: number;

  @Field(() => Int, { description: 'The minimum length of the shorter side, in pixels.' })
  minSide: number;

  @Field(() => Int, { description: 'The maximum number of files of one `createPhotoUploads`.' })
  maxFiles: number;

  @Field(() => Int, { description: 'The maximum length of a filename, in characters.' })
  maxFilenameLength: number;

  @Field(() => Int, {
    description:
      'The maximum number of your photos that no model or generation uses. Beyond it, `createPhotoUploads` fails with QUOTA_EXCEEDED.',
  })
  maxUnused: number;
}

@ObjectType({
  description: 'A subject that a model can be trained for, with the number of photos that it needs.',
})
class AvatarTypeCapabilities {
  @Field(() => AvatarTypeEnum, { description: 'What `trainModel` takes as `type`.' })
  type: AvatarType;

  @Field(() => Int, {
    description: 'The minimum number of photos. With fewer, `trainModel` fails with TOO_FEW_PHOTOS.',
  })
  minPhotos: number;

  @Field(() => Int, {
    description: 'The maximum number of photos. With more, `trainModel` fails with TOO_MANY_PHOTOS.',
  })
  maxPhotos: number;
}

@ObjectType({ description: 'The limits of prompts. Beyond them, a mutation fails with INVALID_INPUT.' })
class PromptCapabilities {
  @Field(() => Int, { description: 'The maximum number of prompts of one generation.' })
  maxPrompts: number;

  @Field(() => Int, { description: 'The maximum length of `prompt` and of `negativePrompt`, in characters.' })
  maxLength: number;

  @Field(() => Int, { description: 'The maximum number of avatars of one generation, over all its prompts.' })
  maxAvatars: number;
}

@ObjectType({
  description:
    'What this server accepts, so that a form can be checked before it is sent. Changes only when it restarts.',
})
class Capabilities {
  @Field(() => PhotoCapabilities, { description: 'The limits of photos.' })
  photos: PhotoCapabilities;

  @Field(() => [AvatarTypeCapabilities], { description: 'The subjects that a model can be trained for.' })
  avatarTypes: AvatarTypeCapabilities[];

  @Field(() => PromptCapabilities, { description: 'The limits of prompts.' })
  prompts: PromptCapabilities;

  @Field(() => Int, { description: 'The maximum length of the name of a model, in characters.' })
  maxModelNameLength: number;

  @Field(() => String, {
    nullable: true,
    description:
      'The version of the consent text that `consent.version` must have. Null: consent is optional, with any version.',
  })
  consentVersion: string | null;

  @Field(() => Boolean, { description: 'Whether `generateInstantAvatars` is available.' })
  hasInstantAvatars: boolean;

  @Field(() => [Provider], { description: 'The avatar services that can be chosen, with their styles.' })
  providers: Provider[];
}

/** The limits that the services enforce, and the styles. */
@Resolver()
export class CapabilitiesResolver {
  constructor(
    private readonly photoService: PhotoService,
    private readonly consents: ConsentRule,
    private readonly provider: Pick<AvatarProvider, 'name' | 'facts'>,
    private readonly examples: StyleExamples,
  ) {}

  @Query(() => Capabilities, {
    nullable: true,
    description:
      'What this server accepts: limits of photos and prompts, avatar types, styles, and consent. Null only with an error.',
  })
  capabilities(): Capabilities {
    const { photoService, consents, provider } = this;
    const { types, minPhotos, maxPhotos, maxAvatars, instant } = provider.facts;
    return {
      photos: { ...photoRules, maxByteSize: Math.min(photoService.maxByteSize, maxInt) },
      avatarTypes: types.map((type) => ({ type, minPhotos, maxPhotos })),
      prompts: { ...promptRules, maxAvatars },
      maxModelNameLength,
      consentVersion: consents.required,
      hasInstantAvatars: instant,
      providers: this.providers(),
    };
  }

  @Query(() => [Provider], {
    nullable: true,
    description: 'The avatar services that can be chosen, and what each accepts. Null only with an error.',
  })
  providers(): Provider[] {
    const { name: key, facts } = this.provider;
    const { displayName: name, minPhotos, maxPhotos, maxAvatars } = facts;
    return [{ key, name, isDefault: true, minPhotos, maxPhotos, maxAvatars, styles: this.styles() }];
  }

  @Query(() => [Style], {
    nullable: true,
    description:
      'The styles of the avatar service that is used when `provider` is left out. Null only with an error.',
  })
  styles(): Style[] {
    const { styles, defaultStyle } = this.provider.facts;
    return styles.map((style) => {
      const { id, name, description } = style;
      const exampleUrl = this.examples.urlOf(style);
      return { key: id, id, name, description, isDefault: id === defaultStyle, exampleUrl };
    });
  }
}

/** The maximum of GraphQL's Int. */
const maxInt = 2 ** 31 - 1;
