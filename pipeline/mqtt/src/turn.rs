//! Whose turn it is with a client id that several processes share.
//!
//! A broker lets one client of an id in, and closes the connection of the one before. So whoever
//! has the turn connects, resumes the session that the others have left, and gets what was queued
//! in it; everybody else stays away.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// DISCONNECT: another client has connected with the same id.
const TAKEN_OVER: u8 = 0x8E;

/// Pause of one whose session was taken over although it is its turn as far as it knows: longer
/// than it takes until it is told that it is not.
const TAKEN_OVER_PAUSE: Duration = Duration::from_secs(3);

/// How long one whose turn it is no more keeps its connection without reading: groups change their
/// minds within moments, and whoever is next closes it by coming.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// The turn of one process.
#[derive(Debug)]
pub(crate) struct Turn {
    /// `None`: nobody shares the id.
    is_ours: Option<watch::Receiver<bool>>,
    /// Not to connect before.
    not_before: Option<Instant>,
    /// When the connection is to be closed, as the turn is over.
    kept_until: Option<Instant>,
    /// Whether it was not ours for a while: another process may have had the session.
    was_lost: bool,
}

impl Turn {
    pub(crate) fn new(is_ours: Option<watch::Receiver<bool>>) -> Self {
        Self {
            is_ours,
            not_before: None,
            kept_until: None,
            was_lost: false,
        }
    }

    /// Whether it is ours.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours.as_ref().is_none_or(|ours| *ours.borrow())
    }

    /// Waits for as long as one waits whose session was taken over.
    pub(crate) async fn pause(&mut self) {
        if let Some(at) = self.not_before {
            tokio::time::sleep_until(at).await;
            self.not_before = None;
        }
        self.was_lost |= !self.is_ours();
        self.kept_until = None;
    }

    /// Waits until it is ours.
    pub(crate) async fn wait(&mut self) {
        let is_given = match &mut self.is_ours {
            Some(ours) => ours.wait_for(|is_ours| *is_ours).await.is_ok(),
            None => true,
        };
        if !is_given {
            // Nobody is left to give it.
            std::future::pending::<()>().await;
        }
    }

    /// Whether it is ours, as the owner of a connection asks before each wait.
    pub(crate) fn look(&mut self) -> bool {
        let is_ours = match &mut self.is_ours {
            Some(ours) => *ours.borrow_and_update(),
            None => true,
        };
        self.was_lost |= !is_ours;
        self.kept_until = match is_ours {
            true => None,
            false => self.kept_until.or(Some(Instant::now() + KEPT_FOR)),
        };
        is_ours
    }

    /// Waits for another answer than [`Turn::look`] gave, or until the connection is to be closed,
    /// as the turn is over: true then.
    pub(crate) async fn is_over(&mut self) -> bool {
        let kept_until = self.kept_until;
        let over = async {
            match kept_until {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let changed = async {
            let changed = match &mut self.is_ours {
                Some(ours) => ours.changed().await.is_ok(),
                None => false,
            };
            if !changed {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = over => true,
            () = changed => false,
        }
    }

    /// Whether another process may have had the session since this was asked last.
    pub(crate) fn was_lost(&mut self) -> bool {
        std::mem::take(&mut self.was_lost)
    }

    /// The broker said DISCONNECT with `code`: whether that is another process of ours, who has the
    /// turn.
    pub(crate) fn is_taken_over(&mut self, code: u8) -> bool {
        let is_taken_over = self.is_ours.is_some() && code == TAKEN_OVER;
        if is_taken_over {
            self.not_before = Some(Instant::now() + TAKEN_OVER_PAUSE);
        }
        is_taken_over
    }
}
