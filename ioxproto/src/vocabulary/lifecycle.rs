//! The verbs of the node lifecycle (`_3`).

use super::words;

words! {
    /// What happened to a node, folder, scene or network resource.
    Lifecycle {
        /// A node was added.
        NodeAdded = "ND" "node_added",
        /// A node was removed.
        NodeRemoved = "NR" "node_removed",
        /// A node was renamed.
        NodeRenamed = "NN" "node_renamed",
        /// A node was moved into a scene; the event's node is the scene.
        NodeMoved = "MV" "node_moved",
        /// A link changed; no controller is known to send it.
        LinkChanged = "CL" "link_changed",
        /// A node was removed from a scene; the event's node is the scene.
        RemovedFromScene = "RG" "removed_from_scene",
        /// A node's parent changed.
        ParentChanged = "PC" "parent_changed",
        /// A node was enabled or disabled; the payload says which.
        EnabledChanged = "EN" "enabled_changed",
        /// Information on a node's power.
        PowerInfo = "PI" "power_info",
        /// A device's id; no controller is known to send it.
        DeviceId = "DI" "device_id",
        /// A property of a UPB device.
        DeviceProperty = "DP" "device_property",
        /// A write to a device is pending.
        PendingDeviceOp = "WH" "pending_device_op",
        /// A device is being written to.
        ProgrammingDevice = "WD" "programming_device",
        /// A node was revised.
        NodeRevised = "RV" "node_revised",
        /// Information on supported types changed.
        TypeInfoChanged = "NI" "type_info_changed",
        /// All nodes of a device were added.
        AllNodesAdded = "AA" "all_nodes_added",
        /// A scene's link was updated.
        SceneLinkUpdated = "LU" "scene_link_updated",
        /// Nodes are being discovered.
        DiscoveringNodes = "SN" "discovering_nodes",
        /// Discovery is complete.
        DiscoveryComplete = "SC" "discovery_complete",
        /// A node does not answer.
        CommError = "NE" "comm_error",
        /// A node answers again.
        CommErrorCleared = "CE" "comm_error_cleared",
        /// A node's notes changed.
        NotesChanged = "NX" "notes_changed",
        /// A folder was added.
        FolderAdded = "FD" "folder_added",
        /// A folder was removed.
        FolderRemoved = "FR" "folder_removed",
        /// A folder was renamed.
        FolderRenamed = "FN" "folder_renamed",
        /// A scene was added.
        SceneAdded = "GD" "scene_added",
        /// A scene was removed.
        SceneRemoved = "GR" "scene_removed",
        /// A scene was renamed.
        SceneRenamed = "GN" "scene_renamed",
        /// A network resource was renamed.
        ResourceRenamed = "WR" "resource_renamed",
    }
}

/// What a lifecycle event's address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LifecycleSubject {
    /// A node.
    Node,
    /// A folder.
    Folder,
    /// A scene.
    Scene,
    /// A network resource.
    Resource,
}

impl Lifecycle {
    /// Whether nodes, scenes or folders have changed, so that a consumer must load cached structure
    /// again.
    #[must_use]
    pub fn is_reload_needed(self) -> bool {
        matches!(
            self,
            Self::NodeAdded
                | Self::NodeRemoved
                | Self::NodeRenamed
                | Self::RemovedFromScene
                | Self::EnabledChanged
                | Self::NodeRevised
                | Self::TypeInfoChanged
                | Self::AllNodesAdded
                | Self::DiscoveryComplete
                | Self::FolderAdded
                | Self::FolderRemoved
                | Self::FolderRenamed
                | Self::SceneAdded
                | Self::SceneRemoved
                | Self::SceneRenamed
        )
    }

    /// What the event's address names.
    #[must_use]
    pub fn subject(self) -> LifecycleSubject {
        match self {
            Self::FolderAdded | Self::FolderRemoved | Self::FolderRenamed => {
                LifecycleSubject::Folder
            }
            Self::NodeMoved
            | Self::RemovedFromScene
            | Self::SceneAdded
            | Self::SceneRemoved
            | Self::SceneRenamed => LifecycleSubject::Scene,
            Self::ResourceRenamed => LifecycleSubject::Resource,
            _ => LifecycleSubject::Node,
        }
    }
}
