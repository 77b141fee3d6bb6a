//! Builds and parses the topics of the bridge.
//!
//! ```text
//! iox/bridge/<instance>/state          online, offline (the last will)          retained
//! iox/bridge/<instance>/info           what the process is                      retained
//! iox/bridge/<instance>/sync           the bridge's own marks
//! iox/<controller>/state               the stream's status                      retained
//! iox/<controller>/availability        online, offline                          retained
//! iox/<controller>/<node>/<control>    a property                               retained
//! iox/<controller>/<node>/event        a command or a press of a button         never retained
//! iox/<controller>/<node>/active       the state a battery sensor last reported retained
//! iox/<controller>/<node>/enabled      whether the controller talks to it       retained
//! iox/<controller>/program/<id>        a program                                retained
//! iox/<controller>/variable/<type>/<number>  a variable                         retained
//! iox/<controller>/<node>/set, …/<node>/<control>/set, …/program/<id>/set,
//!     …/variable/<type>/<number>/set, …/variable/<type>/<number>/init/set   commands
//! ```

use ioxproto::view::{ProgramId, VariableId, VariableType};

use crate::slug::{plain_slug, slug};

/// The first level of all topics except the discovery topics.
pub(crate) const ROOT: &str = "iox";

/// The level of a topic that says whether a node is enabled.
pub(crate) const ENABLED: &str = "enabled";
/// The control of a device's backlight.
pub(crate) const BACKLIGHT: &str = "BL";

/// The topics of this process.
#[derive(Clone, Debug)]
pub(crate) struct BridgeTopics {
    pub(crate) state: String,
    pub(crate) info: String,
    pub(crate) sync: String,
}

impl BridgeTopics {
    pub(crate) fn new(instance: &str) -> Self {
        let base = format!("{ROOT}/bridge/{}", plain_slug(instance));
        Self {
            state: format!("{base}/state"),
            info: format!("{base}/info"),
            sync: format!("{base}/sync"),
        }
    }
}

/// The topics of one controller.
#[derive(Clone, Debug)]
pub(crate) struct ControllerTopics {
    /// `iox/<controller>`.
    base: String,
}

/// The object that a topic of a controller is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// A node or scene, by its slug.
    Node(&'a str),
    Program(ProgramId),
    Variable(VariableId),
}

/// The target of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandTarget<'a> {
    Node(&'a str),
    Control(&'a str, &'a str),
    Program(ProgramId),
    Variable(VariableId),
    /// The value that a variable takes when the controller starts.
    VariableInit(VariableId),
}

impl ControllerTopics {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            base: format!("{ROOT}/{}", slug(name)),
        }
    }

    /// The prefix of all topics of the controller.
    pub(crate) fn base(&self) -> String {
        format!("{}/", self.base)
    }

    pub(crate) fn state(&self) -> String {
        format!("{}/state", self.base)
    }

    pub(crate) fn availability(&self) -> String {
        format!("{}/availability", self.base)
    }

    pub(crate) fn property(&self, node: &str, control: &str) -> String {
        format!("{}/{node}/{}", self.base, slug(control))
    }

    pub(crate) fn event(&self, node: &str) -> String {
        format!("{}/{node}/event", self.base)
    }

    pub(crate) fn active(&self, node: &str) -> String {
        format!("{}/{node}/active", self.base)
    }

    pub(crate) fn enabled(&self, node: &str) -> String {
        format!("{}/{node}/{ENABLED}", self.base)
    }

    pub(crate) fn set_enabled(&self, node: &str) -> String {
        format!("{}/{node}/{ENABLED}/set", self.base)
    }

    pub(crate) fn set(&self, node: &str) -> String {
        format!("{}/{node}/set", self.base)
    }

    pub(crate) fn set_control(&self, node: &str, control: &str) -> String {
        format!("{}/{node}/{}/set", self.base, slug(control))
    }

    pub(crate) fn program(&self, id: ProgramId) -> String {
        format!("{}/program/{id}", self.base)
    }

    pub(crate) fn variable(&self, id: VariableId) -> String {
        format!("{}/variable/{}/{}", self.base, id.kind, id.number)
    }

    /// The filter for all topics of the controller.
    pub(crate) fn all(&self) -> String {
        format!("{}/#", self.base)
    }

    /// The filters for the command topics.
    pub(crate) fn commands(&self) -> [String; 4] {
        let filters = [
            "+/set",
            "+/+/set",
            "variable/+/+/set",
            "variable/+/+/init/set",
        ];
        filters.map(|filter| format!("{}/{filter}", self.base))
    }

    /// Returns the levels after the controller's own; `None` for a topic of another controller.
    fn inside<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(&self.base)?.strip_prefix('/')
    }

    /// Returns the object of a state topic; `None` for a topic of the controller itself.
    pub(crate) fn subject<'a>(&self, topic: &'a str) -> Option<Subject<'a>> {
        let levels: Vec<&str> = self.inside(topic)?.split('/').collect();
        match levels[..] {
            ["program", id] => Some(Subject::Program(id.parse().ok()?)),
            ["variable", kind, number] => Some(Subject::Variable(variable(kind, number)?)),
            [node, _] => Some(Subject::Node(node)),
            _ => None,
        }
    }

    /// Returns the target of a command topic; `None` for any other topic.
    pub(crate) fn command<'a>(&self, topic: &'a str) -> Option<CommandTarget<'a>> {
        let levels: Vec<&str> = self.inside(topic)?.split('/').collect();
        match levels[..] {
            ["program", id, "set"] => Some(CommandTarget::Program(id.parse().ok()?)),
            ["variable", kind, number, "set"] => {
                Some(CommandTarget::Variable(variable(kind, number)?))
            }
            ["variable", kind, number, "init", "set"] => {
                Some(CommandTarget::VariableInit(variable(kind, number)?))
            }
            [node, "set"] => Some(CommandTarget::Node(node)),
            [node, control, "set"] => Some(CommandTarget::Control(node, control)),
            _ => None,
        }
    }
}

/// Parses a variable from the word for its type and its number.
pub(crate) fn variable(kind: &str, number: &str) -> Option<VariableId> {
    let kind = match kind {
        "integer" => VariableType::Integer,
        "state" => VariableType::State,
        _ => return None,
    };
    let number = number.parse().ok()?;
    Some(VariableId { kind, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_is_read_back() {
        let topics = ControllerTopics::new("my home");
        let program = ProgramId::new(0x8d);
        let variable = VariableId {
            kind: VariableType::State,
            number: 12,
        };
        assert_eq!(
            topics.property("1A_2B_3C_01", "ST"),
            "iox/my-20home/1A_2B_3C_01/ST"
        );
        assert_eq!(topics.program(program), "iox/my-20home/program/008D");
        assert_eq!(topics.variable(variable), "iox/my-20home/variable/state/12");
        for (topic, subject) in [
            (topics.property("n1", "ST"), Some(Subject::Node("n1"))),
            (topics.program(program), Some(Subject::Program(program))),
            (topics.variable(variable), Some(Subject::Variable(variable))),
            (topics.state(), None),
            ("iox/my-20home2/n1/ST".to_owned(), None),
            ("iox/other/n1/ST".to_owned(), None),
        ] {
            assert_eq!(topics.subject(&topic), subject, "{topic}");
        }
        for (topic, target) in [
            (topics.set("n1"), Some(CommandTarget::Node("n1"))),
            (
                topics.set_control("n1", "OL"),
                Some(CommandTarget::Control("n1", "OL")),
            ),
            (
                topics.program(program) + "/set",
                Some(CommandTarget::Program(program)),
            ),
            (
                topics.variable(variable) + "/set",
                Some(CommandTarget::Variable(variable)),
            ),
            (
                topics.variable(variable) + "/init/set",
                Some(CommandTarget::VariableInit(variable)),
            ),
            (topics.property("n1", "ST"), None),
            ("iox/my-20home/program/xyz/set".to_owned(), None),
            ("iox/my-20home/variable/9/1/set".to_owned(), None),
        ] {
            assert_eq!(topics.command(&topic), target, "{topic}");
        }
    }
}
