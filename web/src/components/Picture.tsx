import { useState } from 'react';
import { loadableUrl } from '../api/urls';
import { usePictureRetry } from '../hooks/usePictureRetry';
import { useThumbhash } from '../hooks/useThumbhash';
import { Icon } from './Icon';

export interface PictureProps {
  readonly avatarId: string;
  readonly url: string;
  readonly thumbhash: string;
  readonly alt: string;
  readonly className?: string;
}

/** A picture that appears over its placeholder. */
export function Picture({ avatarId, url, thumbhash, alt, className = '' }: PictureProps): React.JSX.Element {
  const placeholder = useThumbhash(thumbhash);
  const [isLoaded, setLoaded] = useState(false);
  const { attempt, isFailed, onError } = usePictureRetry(avatarId, url);
  return (
    <span className={`picture ${className}`}>
      <img src={placeholder} alt="" className="picture-placeholder" />
      <img
        key={attempt}
        src={loadableUrl(url)}
        alt={alt}
        decoding="async"
        loading="lazy"
        className={isLoaded ? 'picture-image loaded' : 'picture-image'}
        onLoad={() => setLoaded(true)}
        onError={onError}
      />
      {isFailed && !isLoaded && (
        <span className="picture-problem">
          <Icon name="warning" />
          Not loaded
        </span>
      )}
    </span>
  );
}
