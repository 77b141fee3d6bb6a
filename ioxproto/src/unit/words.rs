//! The words of enumerated units. They are those of the controllers, where known.
//!
//! Unit 84 (secure mode) has no words: sources contradict each other about which value means
//! locked.

/// The words of one unit: each value with its word, in ascending order.
type Words = [(i64, &'static str)];

pub(super) static TRUTH: &Words = &[(0, "False"), (1, "True")];

pub(super) static DEADBOLT: &Words = &[
    (0, "Unlocked"),
    (100, "Locked"),
    (101, "Unknown"),
    (102, "Jammed"),
];

pub(super) static LOCK_ALARM: &Words = &[
    (1, "Master Code Changed"),
    (2, "Tamper Code Entry Limit"),
    (3, "Escutcheon Removed"),
    (4, "Key Locked"),
    (5, "Touch Locked"),
    (6, "Key Unlocked"),
    (7, "Remote Lock Jammed"),
    (8, "Remotely Locked"),
    (9, "Remotely Unlocked"),
    (10, "Deadbolt Jammed"),
    (11, "Battery Low"),
    (12, "Battery Critical"),
    (13, "Battery Too Low"),
    (14, "Automatically Locked"),
    (15, "Automatic Lock Jammed"),
    (16, "Power Cycled"),
    (17, "Handling Complete"),
    (19, "User Added"),
    (20, "User Deleted"),
    (21, "Duplicate PIN"),
    (22, "Keypad Lock Jammed"),
    (23, "Keypad Locked"),
    (24, "Keypad Unlocked"),
    (25, "Keypad Attempt Outside Schedule"),
    (26, "Hardware Fault"),
    (27, "Factory Reset"),
    (28, "Not Fully Locked"),
    (29, "All User Codes Deleted"),
    (30, "Duplicate User Code"),
    (31, "Keypad Off"),
    (32, "Keypad Busy"),
    (33, "New Program Code"),
    (34, "Radio Lock Invalid"),
    (35, "Radio Unlock Invalid"),
    (36, "Window Open"),
    (37, "Door Open"),
    (38, "Handle Open"),
    (39, "Handle Closed"),
    (40, "User Code Entered"),
    (41, "Power Cycled"),
];

pub(super) static THERMOSTAT_STATE: &Words = &[
    (0, "Idle"),
    (1, "Heating"),
    (2, "Cooling"),
    (3, "Fan Only"),
    (4, "Pending Heat"),
    (5, "Pending Cool"),
    (6, "Vent"),
    (7, "Auxiliary Heat"),
    (8, "2nd Stage Heating"),
    (9, "2nd Stage Cooling"),
    (10, "2nd Stage Auxiliary Heat"),
    (11, "3rd Stage Auxiliary Heat"),
];

pub(super) static THERMOSTAT_MODE: &Words = &[
    (0, "Off"),
    (1, "Heat"),
    (2, "Cool"),
    (3, "Auto"),
    (4, "Auxiliary/Emergency Heat"),
    (5, "Resume"),
    (6, "Fan Only"),
    (7, "Furnace"),
    (8, "Dry Air"),
    (9, "Moist Air"),
    (10, "Auto Changeover"),
    (11, "Energy Save Heat"),
    (12, "Energy Save Cool"),
    (13, "Away"),
    (14, "Program Auto"),
    (15, "Program Heat"),
    (16, "Program Cool"),
];

pub(super) static FAN_MODE: &Words = &[
    (0, "Auto"),
    (1, "On"),
    (2, "Auto High"),
    (3, "High"),
    (4, "Auto Medium"),
    (5, "Medium"),
    (6, "Circulation"),
    (7, "Humidity Circulation"),
    (8, "Left and Right"),
    (9, "Up and Down"),
    (10, "Quiet"),
];

pub(super) static WIND: &Words = &[
    (0, "Calm"),
    (90, "East"),
    (180, "South"),
    (270, "West"),
    (360, "North"),
];

pub(super) static OFF_ON: &Words = &[(0, "Off"), (100, "On"), (101, "Unknown")];

pub(super) static OPEN_CLOSED: &Words = &[(0, "Open"), (100, "Closed"), (101, "Unknown")];

pub(super) static FAN_RUNNING: &Words = &[
    (0, "Off"),
    (1, "On"),
    (2, "High"),
    (3, "Medium"),
    (4, "Circulation"),
    (5, "Humidity Circulation"),
    (6, "Right and Left"),
    (7, "Up and Down"),
    (8, "Quiet"),
];

pub(super) static POWER_ALARM: &Words = &[
    (1, "Power Applied"),
    (2, "Mains Disconnected"),
    (3, "Mains Reconnected"),
    (4, "Surge"),
    (5, "Voltage Drop"),
    (6, "Over Current"),
    (7, "Over Voltage"),
    (8, "Overload"),
    (9, "Load Fault"),
    (10, "Replace Battery Soon"),
    (11, "Replace Battery Now"),
    (12, "Battery Charging"),
    (13, "Battery Full"),
    (14, "Charge Battery Soon"),
    (15, "Charge Battery Now"),
];

pub(super) static APPLIANCE_ALARM: &Words = &[
    (1, "Program Started"),
    (2, "Program in Progress"),
    (3, "Program Completed"),
    (4, "Replace Main Filter"),
    (5, "Target Temperature Not Reached"),
    (6, "Supplying Water"),
    (7, "Water Supply Failure"),
    (8, "Boiling"),
    (9, "Boiling Failure"),
    (10, "Washing"),
    (11, "Washing Failure"),
    (12, "Rinsing"),
    (13, "Rinsing Failure"),
    (14, "Draining"),
    (15, "Draining Failure"),
    (16, "Spinning"),
    (17, "Spinning Failure"),
    (18, "Drying"),
    (19, "Drying Failure"),
    (20, "Fan Failure"),
    (21, "Compressor Failure"),
];

pub(super) static HEALTH_ALARM: &Words = &[
    (1, "Leaving Bed"),
    (2, "Sitting on Bed"),
    (3, "Lying on Bed"),
    (4, "Posture Changed"),
    (5, "Sitting on Bed Edge"),
];

pub(super) static VOC_LEVEL: &Words = &[
    (1, "Clean"),
    (2, "Slightly Polluted"),
    (3, "Moderately Polluted"),
    (4, "Highly Polluted"),
];

pub(super) static BARRIER: &Words = &[
    (0, "Closed"),
    (100, "Open"),
    (101, "Unknown"),
    (102, "Stopped"),
    (103, "Closing"),
    (104, "Opening"),
];

pub(super) static INSTEON_MODE: &Words = &[
    (0, "Off"),
    (1, "Heat"),
    (2, "Cool"),
    (3, "Auto"),
    (4, "Fan"),
    (5, "Program Auto"),
    (6, "Program Heat"),
    (7, "Program Cool"),
];

pub(super) static INSTEON_FAN: &Words = &[(7, "On"), (8, "Auto")];

pub(super) static LEVEL: &Words = &[(0, "Off"), (255, "On")];

pub(super) static LAMP_ACTION: &Words = &[
    (0, "On"),
    (1, "Off"),
    (2, "Fade Up"),
    (3, "Fade Down"),
    (4, "Fade Stop"),
    (5, "Fast On"),
    (6, "Fast Off"),
    (7, "Triple Press On"),
    (8, "Triple Press Off"),
    (9, "4x Press On"),
    (10, "4x Press Off"),
    (11, "5x Press On"),
    (12, "5x Press Off"),
];
