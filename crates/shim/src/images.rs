//! Programs that are layers of images: in containerd's content store, not in a root.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::FromRawFd;

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::{GetContainerRequest, GetImageRequest, ReadContentRequest};
use containerd_client::tonic::transport::Channel;
use containerd_client::tonic::{IntoRequest, Request, Status};
use shimmer_container::{Failure, FailureKind};
use shimmer_oci::{Descriptor, Digest, Error, ErrorKind, Image, ImageKind, Platform};

/// The images of one containerd, as one container may see them.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    socket: String,
    namespace: String,
}

/// A program that is a layer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) descriptor: Descriptor,
    /// The image's reference.
    pub(crate) image: String,
    connection: Connection,
}

#[derive(Clone, Debug)]
struct Connection {
    channel: Channel,
    namespace: String,
}

impl Images {
    pub(crate) fn of(socket: &str, namespace: &str) -> Self {
        Self { socket: socket.to_owned(), namespace: namespace.to_owned() }
    }

    /// The layer that is the program of a container's image; none where the image has a root of files instead.
    ///
    /// # Errors
    ///
    /// The refusals of [`Image::resolve`], and what containerd answers.
    pub(crate) async fn program(&self, container: &str) -> Result<Option<Layer>, Failure> {
        let channel = containerd_client::connect(&self.socket).await.map_err(|error| {
            let message =
                format!("containerd cannot be asked for the image (socket: {}): {error}", self.socket);
            Failure::new(FailureKind::Io, message)
        })?;
        let connection = Connection { channel, namespace: self.namespace.clone() };
        let Some((image, target)) = connection.target(container).await? else { return Ok(None) };
        let resolved = connection.resolve(&target).await.map_err(|error| invalid(&image, error))?;
        Ok(match resolved.kind {
            ImageKind::Program(descriptor) => Some(Layer { descriptor, image, connection }),
            ImageKind::Rootfs(_) => None,
        })
    }
}

impl Connection {
    /// The name of a container's image, and what it refers to; none for a container that has no image.
    async fn target(&self, container: &str) -> Result<Option<(String, Descriptor)>, Failure> {
        let request = self.request(GetContainerRequest { id: container.to_owned() });
        let answer = ContainersClient::new(self.channel.clone()).get(request).await;
        let answer = answer.map_err(|status| refused("the container", container, &status))?;
        let name = answer.into_inner().container.map(|container| container.image).unwrap_or_default();
        if name.is_empty() {
            return Ok(None);
        }
        let request = self.request(GetImageRequest { name: name.clone() });
        let answer = ImagesClient::new(self.channel.clone()).get(request).await;
        let answer = answer.map_err(|status| refused("the image", &name, &status))?;
        let target = answer.into_inner().image.and_then(|image| image.target);
        let Some(target) = target else { return Ok(None) };
        let digest: Digest = target.digest.parse().map_err(|error: Error| invalid(&name, error))?;
        let size = u64::try_from(target.size).unwrap_or_default();
        let descriptor =
            Descriptor { media_type: target.media_type, digest, size, platform: None, annotations: None };
        Ok(Some((name, descriptor)))
    }

    /// Follows indexes to the manifest for this node. [`Image::resolve`] asks for one blob after the other without
    /// waiting, so it is asked again with what it lacked.
    async fn resolve(&self, target: &Descriptor) -> Result<Image, Error> {
        let mut blobs: HashMap<Digest, Vec<u8>> = HashMap::new();
        loop {
            let mut lacking = None;
            let resolved = Image::resolve(target, &Platform::host(), |descriptor| {
                blobs.get(&descriptor.digest).cloned().ok_or_else(|| {
                    lacking = Some(descriptor.clone());
                    Error::new(ErrorKind::NotFound, "the blob has not been read yet")
                })
            });
            let Some(descriptor) = lacking else { return resolved };
            let mut bytes = Vec::new();
            self.read(&descriptor, |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })
            .await
            .map_err(|error| {
                Error::new(ErrorKind::NotFound, "containerd does not have a blob of the image")
                    .with("blob", descriptor.digest.to_string())
                    .because(error)
            })?;
            blobs.insert(descriptor.digest, bytes);
        }
    }

    /// Reads a blob piece by piece; no more than its descriptor promises.
    async fn read(
        &self,
        descriptor: &Descriptor,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let size = i64::try_from(descriptor.size).unwrap_or(i64::MAX);
        let digest = descriptor.digest.to_string();
        let request = self.request(ReadContentRequest { digest, offset: 0, size });
        let answer =
            ContentClient::new(self.channel.clone()).read(request).await.map_err(io::Error::other)?;
        let mut pieces = answer.into_inner();
        let mut left = descriptor.size;
        while let Some(piece) = pieces.message().await.map_err(io::Error::other)? {
            left = left
                .checked_sub(piece.data.len() as u64)
                .ok_or_else(|| io::Error::other("it is too long"))?;
            take(&piece.data)?;
        }
        Ok(())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = message.into_request();
        if let Ok(namespace) = self.namespace.parse() {
            request.metadata_mut().insert("containerd-namespace", namespace);
        }
        request
    }
}

impl Layer {
    /// The layer's bytes, in a file that has no name.
    ///
    /// # Errors
    ///
    /// What containerd answers, and those of memfd_create(2).
    pub(crate) async fn file(&self) -> io::Result<File> {
        // SAFETY: the name is a C string; the result is checked before it is used, and nobody else owns it.
        let mut file = unsafe {
            match libc::memfd_create(c"layer".as_ptr(), libc::MFD_CLOEXEC) {
                -1 => return Err(io::Error::last_os_error()),
                descriptor => File::from_raw_fd(descriptor),
            }
        };
        self.connection.read(&self.descriptor, |piece| file.write_all(piece)).await?;
        file.rewind()?;
        Ok(file)
    }
}

fn refused(what: &str, name: &str, status: &Status) -> Failure {
    let message = format!("containerd does not say what {what} {name} is: {}", status.message());
    Failure::new(FailureKind::Io, message)
}

fn invalid(image: &str, error: Error) -> Failure {
    let error = shimmer_engine::Error::from(error.with("image", image));
    Failure::new(error.kind().into(), error.to_string())
}
